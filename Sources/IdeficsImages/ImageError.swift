// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Why an image, or the configuration of its preprocessing, was refused.
public enum ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes begin like none of the formats this module decodes; `prefix` has the first of them.
    case unknownFormat(prefix: [UInt8])
    /// A valid file of a kind that is not decoded.
    case unsupported(ImageFormat, reason: String)
    /// The file ends before the image does.
    case truncated(ImageFormat)
    /// The file breaks its format's rules.
    case corrupt(ImageFormat, reason: String)
    /// The file declares more pixels, or a longer side, than ``ImageLimits`` allows; `setting` is what raises the limit.
    case tooLarge(width: Int, height: Int, maxPixels: Int, maxSide: Int, setting: String? = nil)
    /// The encoded image has more bytes than ``ImageLimits`` allows; `setting` is what raises the limit.
    case tooManyBytes(count: Int, limit: Int, setting: String? = nil)
    /// A progressive JPEG has more passes than ``ImageLimits`` allows.
    case tooManyScans(limit: Int)
    /// The memory for an image of this size is not to be had.
    case outOfMemory(width: Int, height: Int)
    /// The file cannot be read.
    case unreadableFile(path: String, reason: String)
    /// A `data:` URL breaks the rules of RFC 2397.
    case malformedDataURL(reason: String)
    /// An image is named by a URL that is neither `http`, `https` nor `data`.
    case unsupportedURL(String)
    /// An image is named by a web address, and nothing was given to fetch it with.
    case noFetcher(url: String)
    /// Pixels do not match the size they are said to have.
    case invalidImage(width: Int, height: Int, byteCount: Int)
    /// A resize to a size outside what is allowed.
    case invalidSize(width: Int, height: Int, maxSide: Int)
    /// A value of a preprocessing configuration is unusable; `file` and `key` name it.
    case invalidConfig(file: String, key: String, reason: String)
    /// The image named `name` (a path or an address) was refused.
    indirect case image(named: String, ImageError)

    /// What is wrong, where, and what to do about it.
    public var description: String {
        switch self {
        case .unknownFormat(let prefix):
            let kind = prefix.isEmpty ? ": it is empty" : Self.kind(prefix).map { ": it begins as \($0) does" } ?? ""
            return "not an image this program reads (JPEG, PNG, WebP, GIF)\(kind)"
        case .unsupported(let format, let reason):
            return "this kind of \(format) image is not supported (\(reason)); convert it to PNG or JPEG"
        case .truncated(let format):
            return "the \(format) image is cut short: the data ends before the image does"
        case .corrupt(let format, let reason):
            return "the \(format) image is damaged: \(reason)"
        case .tooLarge(let width, let height, _, let maxSide, _) where max(width, height) > maxSide:
            return """
                an image of \(width)×\(height) pixels exceeds the limit of \(maxSide) pixels to a side, which no setting \
                raises; shrink it
                """
        case .tooLarge(let width, let height, let maxPixels, _, let setting):
            return """
                an image of \(width)×\(height) pixels exceeds the limit of \(maxPixels) pixels in all; shrink it or raise \
                \(setting ?? "the limit")
                """
        case .tooManyBytes(let count, let limit, let setting):
            return "an encoded image of \(count) bytes exceeds the limit of \(limit); shrink it or raise "
                + (setting ?? "the limit")
        case .tooManyScans(let limit):
            return
                "the progressive JPEG image has more than the \(limit) passes allowed at its size; save it as baseline"
        case .outOfMemory(let width, let height):
            return "there is not enough memory for an image of \(width)×\(height) pixels"
        case .unreadableFile(let path, let reason):
            return "cannot read image file \(path): \(reason)"
        case .malformedDataURL(let reason):
            return "malformed data: URL: \(reason)"
        case .unsupportedURL(let url):
            return "cannot load an image from \(url): only http, https and data URLs are accepted"
        case .noFetcher(let url):
            return "cannot load an image from \(url): fetching from the network is not enabled"
        case .invalidImage(let width, let height, let byteCount):
            return "\(byteCount) bytes are not an RGB image of \(width)×\(height) pixels"
        case .invalidSize(let width, let height, let maxSide):
            return "cannot resize an image to \(width)×\(height): each side must be 1 to \(maxSide) pixels"
        case .invalidConfig(let file, let key, let reason):
            return key.isEmpty ? "\(file): \(reason)" : "\(file): \(key): \(reason)"
        case .image(let name, let error):
            return "image \(name): \(error)"
        }
    }

    /// What a file that begins with `prefix` may be; nil for nothing that is known.
    ///
    /// The bytes themselves are not shown: an image is often named by somebody else, who may name any file.
    private static func kind(_ prefix: [UInt8]) -> String? {
        let kinds: [(magic: String, name: String)] = [
            ("%PDF", "a PDF document"), ("<", "HTML, XML or SVG"), ("BM", "a BMP image"), ("II*\0", "a TIFF image"),
            ("MM\0*", "a TIFF image"), ("version ", "a pointer of Git LFS (git lfs pull fetches the file)"),
        ]
        if prefix.dropFirst(4).starts(with: "ftyp".utf8) { return "a HEIC or AVIF image, or a video," }
        return kinds.first { prefix.starts(with: $0.magic.utf8) }?.name
    }
}
