// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

extension IdeficsImageProcessor: Codable {
    private enum CodingKeys: String, CodingKey {
        case imageSize = "image_size"
        case size
        case doResize = "do_resize"
        case doCenterCrop = "do_center_crop"
        case doNormalize = "do_normalize"
        case resample
        case imageMean = "image_mean"
        case imageStd = "image_std"
        case imageNumChannels = "image_num_channels"
        case doRescale = "do_rescale"
        case rescaleFactor = "rescale_factor"
    }

    /// Reads the keys of `preprocessor_config.json`; missing and null keys take their defaults, unknown ones are ignored.
    ///
    /// The size is `image_size`, else `size`, as transformers 5 has it: a number, or `height` and `width`, which must be
    /// equal. What would make other images than this processor does is refused.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        var processor = try IdeficsImageProcessor()
        func read<T: Decodable>(_ key: CodingKeys, into value: inout T) throws {
            if let found = try container.decodeIfPresent(T.self, forKey: key) { value = found }
        }
        try read(.imageSize, into: &processor.imageSize)
        let hasImageSize = try container.decodeIfPresent(Int.self, forKey: .imageSize) != nil
        if !hasImageSize, let size = try container.decodeIfPresent(SquareSize.self, forKey: .size) {
            processor.imageSize = size.side
        }
        try read(.imageMean, into: &processor.imageMean)
        try read(.imageStd, into: &processor.imageStd)
        try read(.imageNumChannels, into: &processor.imageNumChannels)
        try read(.doRescale, into: &processor.doRescale)
        try read(.rescaleFactor, into: &processor.rescaleFactor)
        if try container.decodeIfPresent(Bool.self, forKey: .doNormalize) == false {
            (processor.imageMean, processor.imageStd) = ([0, 0, 0], [1, 1, 1])
        }
        func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: container, debugDescription: reason)
        }
        if try container.decodeIfPresent(Bool.self, forKey: .doResize) == false {
            throw refuse(.doResize, "false is not supported: images are resized to a square")
        }
        if try container.decodeIfPresent(Bool.self, forKey: .doCenterCrop) == true {
            throw refuse(.doCenterCrop, "true is not supported: images are resized, not cut")
        }
        if let resample = try container.decodeIfPresent(Int.self, forKey: .resample), resample != 3 {
            throw refuse(.resample, "\(resample) is not supported: only 3 is, bicubic")
        }
        self = processor
    }

    /// `size` of an image processor.
    private struct SquareSize: Decodable {
        let side: Int

        private enum CodingKeys: CodingKey {
            case height
            case width
        }

        init(from decoder: any Decoder) throws {
            if let side = try? decoder.singleValueContainer().decode(Int.self) {
                self.side = side
                return
            }
            let container = try decoder.container(keyedBy: CodingKeys.self)
            side = try container.decode(Int.self, forKey: .height)
            guard try container.decode(Int.self, forKey: .width) == side else {
                throw DecodingError.dataCorruptedError(
                    forKey: .width,
                    in: container,
                    debugDescription: "differs from height: images are resized to a square"
                )
            }
        }
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
        self = try Self.reading(json, file: file) { try IdeficsImageProcessor(from: $0) }
        try validate(file: file)
    }

    /// Reads the part `image_processor` of a `processor_config.json`, as transformers 5 saves processors.
    ///
    /// `file` names the file in errors, which are those of ``init(json:file:)``.
    ///
    /// - Returns: nil if the file has no such part.
    public init?(processorConfig json: Data, file: String = "processor_config.json") throws {
        let part = try Self.reading(json, file: file) { try Processor(from: $0).image_processor }
        guard let part else { return nil }
        self = part
        do {
            try validate(file: file)
        } catch ImageError.invalidConfig(_, let key, let reason) {
            throw ImageError.invalidConfig(file: file, key: "image_processor.\(key)", reason: reason)
        }
    }

    private struct Processor: Decodable {
        let image_processor: IdeficsImageProcessor?
    }

    private static func reading<Value>(
        _ json: Data,
        file: String,
        _ read: (any Decoder) throws -> Value
    ) throws -> Value {
        do {
            return try JSONReader.read(json, file: file, read)
        } catch let error as JSONError {
            throw ImageError.invalidConfig(file: file, key: error.path, reason: error.reasonWithPlace)
        }
    }
}
