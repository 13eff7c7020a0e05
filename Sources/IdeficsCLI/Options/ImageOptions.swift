// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsImages

/// How images are fetched and prepared.
package struct ImageOptions: ParsableArguments {
    /// Options without values, which the parser fills in.
    package init() {}

    @Option(help: "Height and width images are resized to, in pixels. (default: preprocessor_config.json, else 224)")
    var imageSize: Int?

    @Option(help: "Largest image to decode, in pixels.")
    var maxImagePixels = ImageLimits().maxPixels

    @Option(help: "Largest encoded image, in bytes.")
    var maxImageBytes = ImageLimits().maxBytes

    @Flag(help: "Allow image URLs on private and loopback addresses.")
    var allowPrivateAddresses = false

    package func validate() throws {
        if let imageSize, !(1...4096 ~= imageSize) {
            throw ValidationError("--image-size \(imageSize): must be 1 to 4096 pixels")
        }
        guard maxImagePixels > 0, maxImageBytes > 0 else {
            throw ValidationError("--max-image-pixels and --max-image-bytes must be positive")
        }
    }

    /// The image that a person means by `place`; what can be read only once (`-`, a pipe) is read now.
    func source(_ place: String) throws -> ImageSource {
        let source = ImageSource(place)
        guard case .file(let url) = source, let stream = try? ByteStream(path: place == "-" ? place : url.path),
            place == "-" || stream.byteCount == nil
        else { return source }
        return .data(try stream.readAll(limit: maxImageBytes, remedy: "raise --max-image-bytes"))
    }

    var limits: ImageLimits {
        ImageLimits(
            maxPixels: maxImagePixels,
            maxBytes: maxImageBytes,
            pixelsSetting: "--max-image-pixels",
            bytesSetting: "--max-image-bytes"
        )
    }

    var fetcher: WebImageFetcher {
        WebImageFetcher(maxBytes: maxImageBytes, allowPrivateAddresses: allowPrivateAddresses)
    }
}
