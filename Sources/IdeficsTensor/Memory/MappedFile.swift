// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsPages
internal import IdeficsFoundation
import Synchronization

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
    /// The open file, for advice about its pages.
    let descriptor: Int32
    private let streamReference = Mutex(StreamReference())

    /// What reads the weights in it ahead, if they do not all fit in memory.
    var stream: WeightStream? {
        get { streamReference.withLock { $0.stream } }
        set { streamReference.withLock { $0.stream = newValue } }
    }

    /// Weak: the stream keeps its files.
    private struct StreamReference {
        weak var stream: WeightStream?
    }

    /// Maps the file at `url`.
    ///
    /// - Throws: `TensorError.file` when it cannot be opened, is not a regular file, or cannot be mapped.
    public init(_ url: URL) throws {
        self.url = url
        let descriptor: Int32
        do {
            // A pipe without a writer must not block.
            descriptor = try Files.open(url.path, "read", O_RDONLY | O_NONBLOCK)
        } catch let error as FileError {
            throw TensorError.file(path: url.path, reason: error.reason)
        }
        do {
            (pointer, byteCount) = try Self.map(descriptor, path: url.path)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        if byteCount > 0 { idf_pages_note_map(pointer, byteCount, printable(url.path)) }
    }

    private static func map(_ descriptor: Int32, path: String) throws -> (UnsafeRawPointer, Int) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw TensorError.file(path: path, reason: systemMessage()) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TensorError.file(path: path, reason: "not a regular file")
        }
        let byteCount = Int(status.st_size)
        // An empty file cannot be mapped.
        guard byteCount > 0 else { return (UnsafeRawPointer(emptyPage), 0) }
        guard let map = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), map != MAP_FAILED else {
            let advice =
                errno == ENOMEM
                ? ": its \(byteCount) bytes do not fit the address space this process may have; raise `ulimit -v`"
                    + " (a limit of memory, by a control group or --memory, may be smaller than the file)" : ""
            throw TensorError.file(path: path, reason: systemMessage() + advice)
        }
        return (UnsafeRawPointer(map), byteCount)
    }

    deinit {
        if byteCount > 0 {
            idf_pages_forget_map(pointer)
            munmap(UnsafeMutableRawPointer(mutating: pointer), byteCount)
        }
        close(descriptor)
    }

    /// From now on ends the process with a line that names the file when a mapped file cannot be read any more.
    ///
    /// It was cut short, or its storage failed; without this, SIGBUS says neither. For programs, not for libraries.
    public static func reportFailedReads() {
        idf_pages_report_failures()
    }

    /// Where in the file the byte at `address` of the map lies.
    func offset(of address: UnsafeRawPointer) -> Int { address - pointer }

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
