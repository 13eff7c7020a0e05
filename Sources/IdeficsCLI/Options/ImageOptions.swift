// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsImages

/// How images are fetched and prepared.
struct ImageOptions: ParsableArguments {
    @Option(help: "Height and width images are resized to, in pixels. (default: preprocessor_config.json, else 224)")
    var imageSize: Int?

    @Option(help: "Largest picture to decode, in pixels.")
    var maxImagePixels = ImageLimits().maxPixels

    @Option(help: "Largest encoded picture, in bytes.")
    var maxImageBytes = ImageLimits().maxBytes

    @Flag(help: "Allow image URLs on private and loopback addresses.")
    var allowPrivateAddresses = false

    func validate() throws {
        if let imageSize, !(1...4096 ~= imageSize) {
            throw ValidationError("--image-size \(imageSize): must be 1 to 4096 pixels")
        }
        guard maxImagePixels > 0, maxImageBytes > 0 else {
            throw ValidationError("--max-image-pixels and --max-image-bytes must be positive")
        }
    }

    var limits: ImageLimits {
        ImageLimits(maxPixels: maxImagePixels, maxBytes: maxImageBytes)
    }

    var fetcher: WebImageFetcher {
        WebImageFetcher(maxBytes: maxImageBytes, allowPrivateAddresses: allowPrivateAddresses)
    }
}
