// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import IdeficsTestSupport
import Testing

/// Tests/Fixtures/processor: what transformers and Pillow make of 15 files.
struct GoldenImagesTests {
    static let folder = "processor/images/"
    static let golden = Result { try FixtureTensors("processor/images.safetensors") }
    static let names = [
        "already224.png", "bilevel.png", "exif6.jpg", "gray.jpg", "gray.png", "gray_alpha.png", "palette.png",
        "palette_trns.png", "photo_420.jpg", "photo_444.jpg", "progressive.jpg", "rgb.png", "rgba.png", "tall.png",
        "tiny.png",
    ]

    let golden: FixtureTensors

    init() throws {
        golden = try Self.golden.get()
    }

    private func expected(_ name: String) throws -> RGBImage {
        let shape = try #require(golden.shape(name))
        return try RGBImage(width: shape[1], height: shape[0], pixels: #require(golden.bytes(name)))
    }

    @Test func coversEveryFile() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Fixtures.url(Self.folder).path)
        #expect(files.sorted() == Self.names)
    }

    @Test(arguments: names)
    func decodesExactly(name: String) throws {
        let file = try Fixtures.data(Self.folder + name)
        let object = try ImageDecoder.decode(file, conversion: .object)
        #expect(try object == expected("\(name).rgb"))
        let urlKey = golden.shape("\(name).url_rgb") == nil ? "\(name).rgb" : "\(name).url_rgb"
        let url = try ImageDecoder.decode(file, conversion: .url)
        #expect(try url == expected(urlKey))
    }

    @Test(arguments: names)
    func resizesExactly(name: String) throws {
        let image = try expected("\(name).rgb")
        #expect(try image.resized(width: 56, height: 56) == expected("\(name).resized56"))
        if golden.shape("\(name).resized224") != nil {
            #expect(try image.resized(width: 224, height: 224) == expected("\(name).resized224"))
        }
    }

    @Test(arguments: names)
    func normalisesExactly(name: String) throws {
        let processor = try IdeficsImageProcessor()
        let values = try processor.pixelValues(expected("\(name).rgb"), imageSize: 56)
        let golden = try #require(golden.floats("\(name).pixel56"))
        if golden.count == 3 * 56 * 56 {
            #expect(values == golden)
        } else {  // every 8th row and column
            let rows = (0..<3).flatMap { c in
                (0..<7).flatMap { y in (0..<7).map { x in (c * 56 + 8 * y) * 56 + 8 * x } }
            }
            #expect(rows.map { values[$0] } == golden)
        }
    }

    @Test func normalisesAtFullSize() throws {
        struct Check: Decodable {
            let image: String
            let double_sum, double_sum_of_squares: Double
            let at_0_0_0, at_1_100_50, at_2_223_223: Double
        }
        struct File: Decodable {
            let _pixel224_check: Check
        }
        let json = try Fixtures.data("processor/images.json")
        let check = try JSONDecoder().decode(File.self, from: json)._pixel224_check
        let image = try ImageDecoder.decode(Fixtures.data(Self.folder + check.image))
        let values = try IdeficsImageProcessor().pixelValues(image)
        #expect(values.count == 3 * 224 * 224)
        #expect(Double(values[0]) == check.at_0_0_0)
        #expect(Double(values[(224 + 100) * 224 + 50]) == check.at_1_100_50)
        #expect(Double(values[(2 * 224 + 223) * 224 + 223]) == check.at_2_223_223)
        // Sums in another order: double rounding over 150,528 terms stays far below 1e-9.
        #expect(abs(values.reduce(0) { $0 + Double($1) } - check.double_sum) < 1e-7)
        #expect(abs(values.reduce(0) { $0 + Double($1) * Double($1) } - check.double_sum_of_squares) < 1e-7)
    }
}
