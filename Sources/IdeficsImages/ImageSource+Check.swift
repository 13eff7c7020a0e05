// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension ImageSource {
    /// Whether it is fetched from the network.
    package var isRemote: Bool {
        if case .url(let url) = self { !DataURL.isDataURL(url.absoluteString) } else { false }
    }

    /// Finds out, without decoding it or reading all of it, whether the image is there, of a kind that is decoded, and
    /// within `limits` by what it declares.
    ///
    /// Images that are fetched from the network are taken to be there.
    ///
    /// - Parameter limits: of its size.
    /// - Throws: `ImageError`, as `load` does for the same reasons.
    package func check(limits: ImageLimits) throws {
        switch self {
        case .image: return
        case .data(let data): try Self.check(data, limits: limits)
        case .dataURL(let text):
            try Self.naming("data: URL") { try Self.check(DataURL.decode(text, limits: limits), limits: limits) }
        case .url(let url):
            if !isRemote { try Self.dataURL(url.absoluteString).check(limits: limits) }
        case .file(let url):
            let file = try Self.open(url, limits: limits)
            defer { try? file.close() }
            try Self.naming(url.path) {
                try Self.check(limits: limits) { offset, count in
                    try file.seek(toOffset: UInt64(offset))
                    return Array(try file.read(upToCount: count) ?? Data())
                }
            }
        }
    }

    private static func naming(_ name: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as ImageError {
            throw ImageError.image(named: name, error)
        }
    }

    private static func check(_ data: Data, limits: ImageLimits) throws {
        try limits.check(byteCount: data.count)
        try check(limits: limits) { Array(data.dropFirst($0).prefix($1)) }
    }

    private static func check(limits: ImageLimits, read: @escaping (Int, Int) throws -> [UInt8]) throws {
        let start = try read(0, 16)
        guard let format = start.withUnsafeBytes({ ImageFormat(magic: $0) }) else {
            throw ImageError.unknownFormat(prefix: Array(start.prefix(8)))
        }
        if let (width, height) = try ImageHeader(read: read).size(format) {
            try limits.check(width: width, height: height, format: format)
        }
    }

    private static func open(_ url: URL, limits: ImageLimits) throws -> FileHandle {
        do {
            let file = url.resolvingSymlinksInPath()
            let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
            guard attributes[.type] as? FileAttributeType == .typeRegular else {
                throw ImageError.unreadableFile(path: url.path, reason: "it is not a regular file")
            }
            if let size = attributes[.size] as? NSNumber {
                do {
                    try limits.check(byteCount: size.intValue)
                } catch let error as ImageError {
                    throw ImageError.image(named: url.path, error)
                }
            }
            return try FileHandle(forReadingFrom: file)
        } catch let error as ImageError {
            throw error
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
            throw ImageError.unreadableFile(path: url.path, reason: "there is no such file")
        } catch {
            throw ImageError.unreadableFile(path: url.path, reason: error.localizedDescription)
        }
    }
}
