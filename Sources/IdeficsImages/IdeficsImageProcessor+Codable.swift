// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

extension IdeficsImageProcessor: Codable {
    private enum CodingKeys: String, CodingKey {
        case imageSize = "image_size"
        case imageMean = "image_mean"
        case imageStd = "image_std"
        case imageNumChannels = "image_num_channels"
        case doRescale = "do_rescale"
        case rescaleFactor = "rescale_factor"
    }

    /// Reads the keys of `preprocessor_config.json`; missing and null keys take their defaults, unknown ones are ignored.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        var processor = try IdeficsImageProcessor()
        func read<T: Decodable>(_ key: CodingKeys, into value: inout T) throws {
            if let found = try container.decodeIfPresent(T.self, forKey: key) { value = found }
        }
        // Through Double: JSONDecoder reports a number that is no Int without naming its key.
        func readInteger(_ key: CodingKeys, into value: inout Int) throws {
            guard let found = try container.decodeIfPresent(Double.self, forKey: key) else { return }
            guard let integer = Int(exactly: found) else {
                let context = DecodingError.Context(codingPath: [key], debugDescription: "\(found) is not an integer")
                throw DecodingError.typeMismatch(Int.self, context)
            }
            value = integer
        }
        try readInteger(.imageSize, into: &processor.imageSize)
        try read(.imageMean, into: &processor.imageMean)
        try read(.imageStd, into: &processor.imageStd)
        try readInteger(.imageNumChannels, into: &processor.imageNumChannels)
        try read(.doRescale, into: &processor.doRescale)
        try read(.rescaleFactor, into: &processor.rescaleFactor)
        self = processor
    }

    /// Writes the keys of `preprocessor_config.json`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(imageSize, forKey: .imageSize)
        try container.encode(imageMean, forKey: .imageMean)
        try container.encode(imageStd, forKey: .imageStd)
        try container.encode(imageNumChannels, forKey: .imageNumChannels)
        try container.encode(doRescale, forKey: .doRescale)
        try container.encode(rescaleFactor, forKey: .rescaleFactor)
    }

    /// Reads `preprocessor_config.json` from its text.
    ///
    /// `file` names the file in errors. Throws ``ImageError/invalidConfig(file:key:reason:)``, with the key at fault, for
    /// text that is not a JSON object, for values of a wrong type and for values that cannot work.
    public init(json: Data, file: String = "preprocessor_config.json") throws {
        do {
            self = try JSONDecoder().decode(IdeficsImageProcessor.self, from: json)
        } catch let error as DecodingError {
            throw ImageError.invalidConfig(file: file, key: Self.key(of: error), reason: Self.reason(of: error))
        }
        try validate(file: file)
    }

    private static func context(of error: DecodingError) -> DecodingError.Context? {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
            .dataCorrupted(let context):
            context
        @unknown default: nil
        }
    }

    private static func key(of error: DecodingError) -> String {
        (context(of: error)?.codingPath ?? []).map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined()
    }

    private static func reason(of error: DecodingError) -> String {
        switch error {
        case .typeMismatch(let type, _): "must be a value of type \(type)"
        case .valueNotFound(let type, _): "must be a value of type \(type), not null"
        default: context(of: error)?.debugDescription ?? "cannot be read"
        }
    }
}
