// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Where the examples of a data file lie: one on each line, or the elements of one array (`json.dump` of a list).
struct ExampleRecords: Sendable {
    /// One example's text.
    struct Record: Sendable {
        /// The line it begins on, counted from 1.
        let line: Int
        /// Its place in the array, counted from 1; nil for a line.
        var element: Int?
        /// Where its bytes are.
        let bytes: Range<Int>
    }

    /// The examples, in the file's order.
    let records: [Record]
    /// Tells the file from other contents.
    let checksum: UInt32

    /// Finds the examples of `file`, whatever they are: each is read later.
    ///
    /// - Throws: `TrainingError` when it is no text of this kind as a whole.
    init(_ file: DataFile) throws {
        if file.byteCount > 0 {
            try Self.checkKind(file.read(0..<min(16, file.byteCount)), path: file.path)
        }
        var (lines, checksum) = try Self.lines(of: file)
        if let first = lines.first,
            let elements = try Self.elements(of: file, from: first, isOnlyLine: lines.count == 1)
        {
            lines = elements
        }
        records = lines
        self.checksum = checksum
    }

    // MARK: - Other kinds of files

    private static func checkKind(_ bytes: [UInt8], path: String) throws {
        let kinds: [(magic: [UInt8], text: String)] = [
            ([0x1F, 0x8B], "is compressed with gzip; decompress it first (gunzip)"),
            ([0x28, 0xB5, 0x2F, 0xFD], "is compressed with zstd; decompress it first (unzstd)"),
            (Array("BZh".utf8), "is compressed with bzip2; decompress it first (bunzip2)"),
            ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "is compressed with xz; decompress it first (unxz)"),
            ([0x50, 0x4B, 3, 4], "is a zip archive; unpack it first"),
            (Array("PAR1".utf8), "is a Parquet table; write it as JSON lines (to_json of datasets or pandas)"),
            (Array("ARROW1".utf8), "is an Arrow table; write it as JSON lines (to_json of datasets)"),
            ([0xFF, 0xFE], "is UTF-16; write it as UTF-8"), ([0xFE, 0xFF], "is UTF-16; write it as UTF-8"),
        ]
        if let kind = kinds.first(where: { bytes.starts(with: $0.magic) }) {
            throw TrainingError.file(path: path, reason: "\(kind.text): data is JSON, one example a line")
        }
    }

    // MARK: - Lines

    private static let chunkSize = 1 << 20

    private static func lines(of file: DataFile) throws -> (lines: [Record], checksum: UInt32) {
        var lines: [Record] = []
        var checksum = CRC32(.castagnoli)
        var number = 1
        var hasText = false
        var start = 0
        for offset in stride(from: 0, to: file.byteCount, by: chunkSize) {
            let chunk = try file.read(offset..<min(offset + chunkSize, file.byteCount))
            checksum.update(chunk)
            var position = 0
            if offset == 0, chunk.starts(with: [0xEF, 0xBB, 0xBF]) {
                position = 3
                start = 3
            }
            while position < chunk.count {
                let end = chunk[position...].firstIndex(of: UInt8(ascii: "\n")) ?? chunk.count
                hasText = hasText || !chunk[position..<end].allSatisfy { [9, 13, 32].contains($0) }
                if end < chunk.count {
                    if hasText { lines.append(Record(line: number, bytes: start..<offset + end)) }
                    start = offset + end + 1
                    number += 1
                    hasText = false
                }
                position = end + 1
            }
        }
        if hasText { lines.append(Record(line: number, bytes: start..<file.byteCount)) }
        return (lines, checksum.value)
    }

    // MARK: - One array

    /// The elements of the array that the whole file is; nil when it is not, or when its array is one example.
    private static func elements(of file: DataFile, from first: Record, isOnlyLine: Bool) throws -> [Record]? {
        var scanner = ArrayScanner(start: first.bytes.lowerBound, line: first.line)
        var position = first.bytes.lowerBound
        while position < file.byteCount {
            let end = min(position + chunkSize, file.byteCount)
            guard try scanner.scan(file.read(position..<end)) else { return nil }
            position = end
        }
        guard scanner.isComplete else { return nil }
        // A list on several lines cannot be lines of examples.
        guard isOnlyLine else { return scanner.records }
        let sample = scanner.records.prefix(100)
        let kinds = try sample.map { ElementKind(Data(try file.read($0.bytes))) }
        if kinds.contains(.example) || kinds.count > 1 && kinds.allSatisfy({ $0 == .pair }) { return scanner.records }
        guard kinds.count > 1, kinds.allSatisfy({ $0 == .text }) else { return nil }
        throw TrainingError.data(
            file: file.path,
            line: first.line,
            reason: "a list of texts may be one document or a data set: write {\"document\": […]}, or each text on a "
                + "line of its own"
        )
    }

    /// What an element of a list can be.
    private enum ElementKind {
        /// Nothing but an example of its own.
        case example
        /// A captioned image: an example, or a part of a document.
        case pair
        /// `{"text": …}`: an example, or a part of a document.
        case text
        /// A part of a document, or nothing that is known.
        case other

        init(_ json: Data) {
            self = (try? JSONReader.decode(Keys.self, from: json, file: "").kind) ?? .other
        }

        private struct Keys: Decodable {
            let kind: ElementKind

            private enum CodingKeys: String, CodingKey {
                case messages, conversations, document, texts, text, image, images, type
            }

            init(from decoder: any Decoder) throws {
                if (try? decoder.unkeyedContainer()) != nil {
                    kind = .example
                    return
                }
                let object = try decoder.container(keyedBy: CodingKeys.self)
                func has(_ key: CodingKeys) -> Bool {
                    object.contains(key) && (try? object.decodeNil(forKey: key)) == false
                }
                if has(.messages) || has(.conversations) || has(.document) || has(.texts) {
                    kind = .example
                } else if has(.text), has(.image) || has(.images) {
                    kind = .pair
                } else {
                    kind = has(.text) && !has(.type) ? .text : .other
                }
            }
        }
    }
}
