// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How a decoded file becomes RGB, where the reference (transformers) has two different ways.
public enum ImageConversion: Sendable, Equatable {
    /// As transformers treats an image *object*: EXIF orientation is ignored, transparency is composited over white.
    ///
    /// RGB files stay as they are, even if a PNG names one of their colors transparent.
    case object
    /// An image object as `load_image` and image viewers turn it: upright by its EXIF (or XMP) orientation, transparency
    /// composited over white.
    case upright
    /// As transformers treats an image given as a *URL*: upright by its EXIF (or XMP) orientation, transparency dropped.
    ///
    /// A transparent pixel shows whatever color the file stores beneath it.
    case url
}
