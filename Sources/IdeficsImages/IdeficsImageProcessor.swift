// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Turns images into the model's `pixel_values`: bicubic resize to a square, rescale, normalize, channels first.
///
/// The same steps, names and defaults as transformers' `IdeficsImageProcessor` with Pillow (4.x), bit for bit. Training
/// with random crops is not part of it.
public struct IdeficsImageProcessor: Sendable, Equatable {
    /// The largest ``imageSize`` accepted.
    public static let maxImageSize = 4096

    /// The side of the square the model sees, in pixels.
    public var imageSize: Int
    /// Subtracted from each rescaled channel (red, green, blue); CLIP's by default.
    public var imageMean: [Double]
    /// Divides each channel after ``imageMean`` is subtracted.
    public var imageStd: [Double]
    /// The number of channels; only 3 exists.
    public var imageNumChannels: Int
    /// Whether samples are multiplied by ``rescaleFactor`` first.
    public var doRescale: Bool
    /// Maps bytes to 0...1.
    public var rescaleFactor: Double

    /// A processor with transformers' defaults where nothing else is given.
    ///
    /// Throws ``ImageError/invalidConfig(file:key:reason:)`` for values that cannot work.
    public init(
        imageSize: Int = 224,
        imageMean: [Double] = [0.48145466, 0.4578275, 0.40821073],
        imageStd: [Double] = [0.26862954, 0.26130258, 0.27577711],
        imageNumChannels: Int = 3,
        doRescale: Bool = true,
        rescaleFactor: Double = 1.0 / 255.0
    ) throws {
        self.imageSize = imageSize
        self.imageMean = imageMean
        self.imageStd = imageStd
        self.imageNumChannels = imageNumChannels
        self.doRescale = doRescale
        self.rescaleFactor = rescaleFactor
        try validate(file: "IdeficsImageProcessor")
    }

    /// The pixel values of one image, `[3, S, S]`, with S = `imageSize` or the processor's own.
    ///
    /// Throws ``ImageError/invalidSize(width:height:maxSide:)`` if S is outside 1...``maxImageSize``, and
    /// ``ImageError/invalidConfig(file:key:reason:)`` if the processor was changed to values that cannot work.
    public func pixelValues(_ image: RGBImage, imageSize: Int? = nil) throws -> [Float] {
        try validate(file: "IdeficsImageProcessor")
        let side = try side(imageSize)
        let resized = try image.resized(width: side, height: side)
        let tables = (0..<3).map(valueTable)
        let plane = side * side
        return [Float](unsafeUninitializedCapacity: 3 * plane) { values, count in
            // SAFETY: `resized` has 3 · plane bytes and `values` room for as many floats, all of which are written.
            resized.pixels.withUnsafeBufferPointer { pixels in
                for channel in 0..<3 {
                    tables[channel].withUnsafeBufferPointer { table in
                        for i in 0..<plane { values[channel * plane + i] = table[Int(pixels[3 * i + channel])] }
                    }
                }
            }
            count = 3 * plane
        }
    }

    /// `imageSize`, or the processor's own; refused outside 1...``maxImageSize``.
    package func side(_ imageSize: Int?) throws -> Int {
        let side = imageSize ?? self.imageSize
        guard (1...Self.maxImageSize).contains(side) else {
            throw ImageError.invalidSize(width: side, height: side, maxSide: Self.maxImageSize)
        }
        return side
    }

    /// The value of every byte in one channel, rounded where numpy rounds: the rescaled sample to float32 (computed in
    /// double), then the difference, then the quotient.
    private func valueTable(_ channel: Int) -> [Float] {
        let mean = Float(imageMean[channel])
        let std = Float(imageStd[channel])
        return (0..<256).map { byte in
            let sample = doRescale ? Float(Double(byte) * rescaleFactor) : Float(byte)
            return (sample - mean) / std
        }
    }

    func validate(file: String) throws {
        func require(_ condition: Bool, _ key: String, _ reason: String) throws {
            guard condition else { throw ImageError.invalidConfig(file: file, key: key, reason: reason) }
        }
        try require(
            (1...Self.maxImageSize).contains(imageSize),
            "image_size",
            "must be 1 to \(Self.maxImageSize), not \(imageSize)"
        )
        try require(imageNumChannels == 3, "image_num_channels", "must be 3, not \(imageNumChannels)")
        let isMeanUsable = imageMean.count == 3 && imageMean.allSatisfy { Float($0).isFinite }
        try require(isMeanUsable, "image_mean", "must be 3 finite numbers")
        let isStdUsable = imageStd.count == 3 && imageStd.allSatisfy { Float($0).isFinite && Float($0) != 0 }
        try require(isStdUsable, "image_std", "must be 3 finite numbers other than 0")
        try require(Float(255 * rescaleFactor).isFinite, "rescale_factor", "must be a finite number")
        let areValuesUsable = (0..<3).allSatisfy { valueTable($0).allSatisfy(\.isFinite) }
        try require(areValuesUsable, "image_std", "is too small: values of images become infinite")
    }
}
