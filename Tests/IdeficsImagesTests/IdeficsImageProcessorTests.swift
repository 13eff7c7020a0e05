// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import IdeficsTestSupport
import Testing

struct IdeficsImageProcessorTests {
    private func processor(_ json: String) throws -> IdeficsImageProcessor {
        try IdeficsImageProcessor(json: Data(json.utf8))
    }

    @Test func readsTheFixture() throws {
        let json = try Fixtures.data("f7-e2e/preprocessor_config.json")
        #expect(try IdeficsImageProcessor(json: json) == IdeficsImageProcessor(imageSize: 56))
    }

    @Test func takesDefaults() throws {
        #expect(try processor("{}") == IdeficsImageProcessor())
        let nulls = #"{"image_size": null, "image_mean": null, "do_rescale": null, "unknown": [{}]}"#
        #expect(try processor(nulls) == IdeficsImageProcessor())
        #expect(try processor(#"{"image_size": 336.0}"#).imageSize == 336)
    }

    @Test func sizesOfBothVersions() throws {
        #expect(try processor(#"{"size": {"height": 42, "width": 42}}"#).imageSize == 42)
        #expect(try processor(#"{"size": 42, "image_size": null}"#).imageSize == 42)
        #expect(try processor(#"{"size": {"shortest_edge": 9}, "image_size": 42}"#).imageSize == 42)
        #expect(try processor(#"{"size": null, "resample": 3, "do_resize": true}"#) == IdeficsImageProcessor())
        let plain = try processor(#"{"do_normalize": false, "image_mean": [5, 5, 5]}"#)
        #expect(plain.imageMean == [0, 0, 0] && plain.imageStd == [1, 1, 1])
    }

    @Test func readsThePartOfAProcessor() throws {
        func nested(_ json: String) throws -> IdeficsImageProcessor? {
            try IdeficsImageProcessor(processorConfig: Data(json.utf8))
        }
        let text = #"{"image_processor": {"size": {"height": 42, "width": 42}, "image_mean": [0, 0, 0]}, "x": NaN}"#
        #expect(try nested(text) == IdeficsImageProcessor(imageSize: 42, imageMean: [0, 0, 0]))
        for absent in [#"{"processor_class": "IdeficsProcessor", "image_size": 3}"#, #"{"image_processor": null}"#] {
            #expect(try nested(absent) == nil)
        }
        #expect {
            try nested(#"{"image_processor": {"image_std": [0, 0, 0]}}"#)
        } throws: {
            guard case ImageError.invalidConfig("processor_config.json", let key, _) = $0 else { return false }
            return key == "image_processor.image_std"
        }
    }

    @Test func roundTrips() throws {
        let processor = try IdeficsImageProcessor(imageSize: 30, imageMean: [0.1, 0.2, 0.3], doRescale: false)
        #expect(try IdeficsImageProcessor(json: JSONEncoder().encode(processor)) == processor)
    }

    @Test(arguments: [
        (#"{"image_size": "224"}"#, "image_size"), (#"{"image_size": 0}"#, "image_size"),
        (#"{"image_size": 4097}"#, "image_size"), (#"{"image_size": 1e30}"#, "image_size"),
        (#"{"image_size": -1}"#, "image_size"), (#"{"image_size": 22.5}"#, "image_size"),
        (#"{"image_size": {"height": 224}}"#, "image_size"), (#"{"image_mean": [0.5, 0.5]}"#, "image_mean"),
        (#"{"image_mean": [0.5, "a", 0.5]}"#, "image_mean[1]"), (#"{"image_mean": 0.5}"#, "image_mean"),
        (#"{"image_mean": [1e300, 0, 0]}"#, "image_mean"), (#"{"image_std": [0.5, 0, 0.5]}"#, "image_std"),
        (#"{"image_std": [1e-300, 1, 1]}"#, "image_std"), (#"{"image_num_channels": 1}"#, "image_num_channels"),
        (#"{"do_rescale": 1}"#, "do_rescale"), (#"{"rescale_factor": "x"}"#, "rescale_factor"),
        (#"{"rescale_factor": 1e300}"#, "rescale_factor"), (#"{"image_std": [1e-39, 1, 1]}"#, "image_std"),
        (#"{"image_std": [NaN, 1, 1]}"#, "image_std[0]"), (#"{"rescale_factor": Infinity}"#, "rescale_factor"),
        (#"{"size": {"height": 4, "width": 5}}"#, "size.width"), (#"{"size": {"shortest_edge": 4}}"#, "size.height"),
        (#"{"size": "4"}"#, "size"), (#"{"size": 0}"#, "image_size"), (#"{"do_resize": false}"#, "do_resize"),
        (#"{"resample": 2}"#, "resample"), (#"{"do_center_crop": true}"#, "do_center_crop"), ("[]", ""), ("", ""),
        ("{", ""), ("\u{0}", ""),
        (String(repeating: "[", count: 100_000), ""),
    ])
    func refusesUnusableValues(json: String, key: String) {
        #expect {
            try processor(json)
        } throws: {
            guard case .invalidConfig("preprocessor_config.json", key, let reason) = $0 as? ImageError else {
                return false
            }
            return !reason.isEmpty
        }
    }

    @Test func survivesMutation() throws {
        let original = try Fixtures.data("f7-e2e/preprocessor_config.json")
        var random = SeededGenerator(seed: 12)
        for _ in 0..<2000 {
            var json = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                json[Int.random(in: 0..<json.count, using: &random)] = UInt8.random(in: 32...126, using: &random)
            }
            do { _ = try IdeficsImageProcessor(json: json) } catch is ImageError {}
        }
    }

    @Test func rescalesOnlyIfAsked() throws {
        let image = try RGBImage(width: 1, height: 1, pixels: [0, 128, 255])
        let raw = try IdeficsImageProcessor(imageSize: 1, imageMean: [0, 0, 5], imageStd: [1, 2, 1], doRescale: false)
        #expect(try raw.pixelValues(image) == [0, 64, 250])
        let halved = try IdeficsImageProcessor(
            imageSize: 1,
            imageMean: [0, 0, 0],
            imageStd: [1, 1, 1],
            rescaleFactor: 0.5
        )
        #expect(try halved.pixelValues(image) == [0, 64, 127.5])
    }

    @Test func checksTheSizeAsked() throws {
        let image = try RGBImage(width: 1, height: 1, pixels: [0, 128, 255])
        let processor = try IdeficsImageProcessor()
        #expect(try processor.pixelValues(image, imageSize: 2).count == 12)
        for size in [0, -1, 4097, Int.max] {
            #expect(throws: ImageError.invalidSize(width: size, height: size, maxSide: 4096)) {
                try processor.pixelValues(image, imageSize: size)
            }
        }
        var broken = processor
        broken.imageStd = []
        #expect(throws: ImageError.self) { try broken.pixelValues(image) }
    }
}
