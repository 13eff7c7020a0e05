// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// The lines of a stream, one at a time: the memory is that of the longest, however many there are.
package final class LineReader {
    /// Longer lines are a mistake (a `data:` URL of the largest image fits).
    package static let maximumByteCount = 1 << 28

    private let stream: ByteStream
    private let keepsBlankLines: Bool
    private var pending: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    private var number = 0
    /// Bytes of all lines so far, their ends included.
    package private(set) var byteCount: Int64 = 0
    /// Whether the last line had an end, so that none of it is missing.
    package private(set) var isLineWhole = false

    /// The lines from here on.
    ///
    /// - Parameters:
    ///   - stream: a text; a byte order mark before it is left out.
    ///   - keepsBlankLines: whether a line without anything in it is one.
    package init(_ stream: ByteStream, keepsBlankLines: Bool = false) {
        self.stream = stream
        self.keepsBlankLines = keepsBlankLines
    }

    /// The next line, without its end, and its number, counted from 1; nil at the end.
    ///
    /// - Throws: `FileError`, also for a line of more than ``maximumByteCount``.
    package func next() throws -> (number: Int, text: Data)? {
        while var line = try nextLine() {
            number += 1
            let mark = JSONError.byteOrderMark
            if number == 1, line.starts(with: mark) { line = Data(line.dropFirst(mark.count)) }
            if keepsBlankLines || !line.allSatisfy({ [9, 13, 32].contains($0) }) { return (number, line) }
        }
        return nil
    }

    private func nextLine() throws -> Data? {
        var searched = start
        while true {
            if let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                byteCount += Int64(end + 1 - start)
                isLineWhole = true
                return Data(pending[start..<end])
            }
            if isAtEnd {
                defer { start = pending.count }
                byteCount += Int64(pending.count - start)
                isLineWhole = false
                return start < pending.count ? Data(pending[start...]) : nil
            }
            guard pending.count - start <= Self.maximumByteCount else {
                throw FileError(
                    stream.name,
                    "read",
                    reason: "line \(number + 1) is longer than \(Self.maximumByteCount) bytes"
                )
            }
            pending.removeFirst(start)
            start = 0
            searched = pending.count
            let bytes = try stream.read(upTo: 1 << 16)
            isAtEnd = bytes.isEmpty
            pending += bytes
        }
    }
}
