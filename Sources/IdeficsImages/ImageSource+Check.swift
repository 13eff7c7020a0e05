// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

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
            defer { close(file) }
            try Self.naming(url.path) { try Self.check(limits: limits) { Self.bytes(file, $0, $1) } }
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

    /// Opens the file at `url` for reading; the caller closes the descriptor.
    private static func open(_ url: URL, limits: ImageLimits) throws -> Int32 {
        func problem(_ reason: String) -> ImageError { .unreadableFile(path: url.path, reason: reason) }
        guard let status = Files.status(url.path) else { throw problem("there is no such file") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw problem("it is not a regular file") }
        try naming(url.path) { try limits.check(byteCount: Int(status.st_size)) }
        do {
            return try Files.open(url.path, "read", O_RDONLY)
        } catch let error as FileError {
            throw problem(error.reason)
        }
    }

    /// Up to `count` bytes from `offset` on.
    private static func bytes(_ descriptor: Int32, _ offset: Int, _ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            filled = (try? Files.read(descriptor, at: Int64(offset), into: bytes, named: "")) ?? 0
        }
    }
}
