// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

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
        try read(.imageSize, into: &processor.imageSize)
        try read(.imageMean, into: &processor.imageMean)
        try read(.imageStd, into: &processor.imageStd)
        try read(.imageNumChannels, into: &processor.imageNumChannels)
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
            self = try JSONReader.decode(IdeficsImageProcessor.self, from: json, file: file)
        } catch let error as JSONError {
            throw ImageError.invalidConfig(file: file, key: error.path, reason: error.reasonWithPlace)
        }
        try validate(file: file)
    }
}
