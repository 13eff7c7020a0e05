// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What an image may cost before it is refused; everything here is checked before the memory is spent.
public struct ImageLimits: Sendable, Equatable {
    /// The most pixels an image may declare (default 89,478,485, where Pillow begins to warn of decompression bombs).
    public var maxPixels: Int
    /// The most bytes of one encoded image, in a file, a `data:` URL or a download (default 64 MiB).
    public var maxBytes: Int
    /// The longest side in pixels (default 1,000,000).
    public var maxSide: Int
    /// The most passes of a progressive JPEG (default 100; encoders write about 10).
    ///
    /// A pass costs a few bytes in the file and a walk over the whole image in time, so large images are allowed fewer:
    /// passes × pixels may not exceed 24 × ``maxPixels``.
    public var maxJPEGScans: Int
    /// What a user sets ``maxPixels`` by, for messages: `--max-image-pixels`; nil for nothing.
    public var pixelsSetting: String?
    /// What a user sets ``maxBytes`` by, for messages; nil for nothing.
    public var bytesSetting: String?

    /// Limits that differ from the defaults only where given.
    public init(
        maxPixels: Int = 89_478_485,
        maxBytes: Int = 64 << 20,
        maxSide: Int = 1_000_000,
        maxJPEGScans: Int = 100,
        pixelsSetting: String? = nil,
        bytesSetting: String? = nil
    ) {
        self.maxPixels = maxPixels
        self.maxBytes = maxBytes
        self.maxSide = maxSide
        self.maxJPEGScans = maxJPEGScans
        self.pixelsSetting = pixelsSetting
        self.bytesSetting = bytesSetting
    }

    func check(byteCount: Int) throws {
        guard byteCount <= maxBytes else {
            throw ImageError.tooManyBytes(count: byteCount, limit: maxBytes, setting: bytesSetting)
        }
    }

    /// Refuses an empty or oversized image, before anything of its size is allocated.
    func check(width: Int, height: Int, format: ImageFormat) throws {
        guard width > 0, height > 0 else {
            throw ImageError.corrupt(format, reason: "it declares a size of \(width)×\(height)")
        }
        let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
        guard !overflow, pixels <= maxPixels, width <= maxSide, height <= maxSide else {
            throw ImageError.tooLarge(
                width: width,
                height: height,
                maxPixels: maxPixels,
                maxSide: maxSide,
                setting: width <= maxSide && height <= maxSide ? pixelsSetting : nil
            )
        }
    }

    func scanLimit(pixels: Int) -> Int {
        let (work, overflow) = maxPixels.multipliedReportingOverflow(by: 24)
        return max(1, min(maxJPEGScans, (overflow ? .max : work) / max(pixels, 1)))
    }
}
