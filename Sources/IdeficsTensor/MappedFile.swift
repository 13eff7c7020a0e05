// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A whole file mapped read-only: its pages are read when touched and shared with every process that maps it.
public final class MappedFile: Sendable {
    /// The file.
    public let url: URL
    /// Its size when it was opened.
    public let byteCount: Int
    // SAFETY: the map is read-only and unmapped only by deinit.
    private nonisolated(unsafe) let pointer: UnsafeRawPointer

    /// Maps the file at `url`.
    ///
    /// - Throws: `TensorError.file` when it cannot be opened, is not a regular file, or cannot be mapped.
    public init(_ url: URL) throws {
        self.url = url
        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // a pipe without a writer must not block
        guard descriptor >= 0 else { throw TensorError.file(path: url.path, reason: systemMessage()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw TensorError.file(path: url.path, reason: systemMessage())
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TensorError.file(path: url.path, reason: "not a regular file")
        }
        byteCount = Int(status.st_size)
        guard byteCount > 0 else {  // an empty file cannot be mapped
            pointer = UnsafeRawPointer(Self.emptyPage)
            return
        }
        guard let map = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), map != MAP_FAILED else {
            throw TensorError.file(path: url.path, reason: systemMessage())
        }
        pointer = UnsafeRawPointer(map)
    }

    deinit {
        if byteCount > 0 { munmap(UnsafeMutableRawPointer(mutating: pointer), byteCount) }
    }

    // SAFETY: one byte, allocated once, never written again.
    private nonisolated(unsafe) static let emptyPage = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)

    /// Calls `body` with the bytes of the file.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeRawBufferPointer(start: pointer, count: byteCount))
    }

    /// The bytes `range` as storage that keeps the map alive.
    ///
    /// - Precondition: `range` lies inside the file.
    public func storage(_ range: Range<Int>) -> TensorStorage {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= byteCount,
            "MappedFile: \(range) of \(byteCount) bytes"
        )
        return TensorStorage(borrowing: pointer + range.lowerBound, byteCount: range.count, owner: self)
    }
}

/// The system's words for the last error.
private func systemMessage() -> String {
    String(cString: strerror(errno))
}
