// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The header of a safetensors file, checked as strictly as the official library does.
///
/// Layout: 8 bytes little-endian header length, the header (JSON, padded with spaces), then the data, which the tensors
/// cover exactly: no overlap, no hole, nothing after the last.
package struct SafetensorsHeader {
    package struct Entry {
        let name: String
        let dtype: StoredDType
        let shape: [Int]
        /// Where its bytes lie in the file.
        let range: Range<Int>
    }

    /// Tensors in the order of their data.
    let entries: [Entry]
    /// The strings under `__metadata__`.
    let metadata: [String: String]

    /// The official library's limit on the header length.
    static let maximumByteCount = 100_000_000
    static let maximumRank = 32

    /// Reads the header at the start of `bytes`, a whole file.
    ///
    /// - Throws: `CheckpointError.malformed` naming the field.
    package init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
        let dataStart = try Self.dataStart(bytes, file: file)
        var metadata: [String: String] = [:]
        var entries: [Entry] = []
        var json = JSONScanner(UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]), file: file, root: "header")
        try json.beginObject()
        while let name = try json.nextKey() {
            if name == "__metadata__" {
                try json.beginObject()
                while let key = try json.nextKey() { metadata[key] = try json.string() }
            } else {
                entries.append(try Self.entry(name, &json, dataStart: dataStart, fileEnd: bytes.count))
            }
        }
        try json.finish()
        entries.sort {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        try Self.checkCoverage(entries, dataStart: dataStart, fileEnd: bytes.count, file: file)
        self.entries = entries
        self.metadata = metadata
    }

    /// Offset of the data, from the length in the first 8 bytes.
    private static func dataStart(_ bytes: UnsafeRawBufferPointer, file: String) throws -> Int {
        func malformed(_ reason: String) -> CheckpointError {
            .malformed(file: file, field: "header length", reason: reason)
        }
        guard bytes.count >= 8 else { throw malformed("the file has \(bytes.count) bytes, a header needs 8") }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(maximumByteCount) else {
            throw malformed("\(length) bytes, more than \(maximumByteCount); this is no safetensors file")
        }
        guard length <= UInt64(bytes.count - 8) else {
            throw malformed("\(length) bytes in a file of \(bytes.count); it is cut short")
        }
        guard length > 0, bytes[8] == UInt8(ascii: "{") else { throw malformed("the header does not begin with {") }
        return 8 + Int(length)
    }

    private static func entry(
        _ name: String,
        _ json: inout JSONScanner,
        dataStart: Int,
        fileEnd: Int
    ) throws -> Entry {
        var dtype: StoredDType?
        var shape: [Int]?
        var offsets: [Int]?
        try json.beginObject()
        while let key = try json.nextKey() {
            switch key {
            case "dtype":
                let text = try json.string()
                dtype = StoredDType(rawValue: text)
                if dtype == nil { throw json.malformed("unknown element type \(text)") }
            case "shape":
                shape = try json.naturalNumbers(atMost: maximumRank)
            case "data_offsets":
                let numbers = try json.naturalNumbers(atMost: 2)
                guard numbers.count == 2, numbers[0] <= numbers[1], numbers[1] <= fileEnd - dataStart else {
                    throw json.malformed("\(numbers) is no range in data of \(fileEnd - dataStart) bytes")
                }
                offsets = numbers
            default: throw json.malformed("unknown key")
            }
        }
        guard let dtype else { throw json.malformed("no dtype") }
        guard let shape else { throw json.malformed("no shape") }
        guard let offsets else { throw json.malformed("no data_offsets") }
        guard let byteCount = dtype.byteCount(of: shape) else {
            throw json.malformed("\(shape) of \(dtype.rawValue) has no size in whole bytes that fits 63 bits")
        }
        guard byteCount == offsets[1] - offsets[0] else {
            throw json.malformed(
                "\(shape) of \(dtype.rawValue) takes \(byteCount) bytes, data_offsets give \(offsets[1] - offsets[0])"
            )
        }
        let range = dataStart + offsets[0]..<dataStart + offsets[1]
        return Entry(name: name, dtype: dtype, shape: shape, range: range)
    }

    /// Checks that `entries`, sorted by position, cover the data exactly.
    private static func checkCoverage(_ entries: [Entry], dataStart: Int, fileEnd: Int, file: String) throws {
        var end = dataStart
        for entry in entries {
            guard entry.range.lowerBound == end else {
                let defect = entry.range.lowerBound < end ? "overlaps the tensor before it" : "leaves a hole before it"
                throw CheckpointError.malformed(
                    file: file,
                    field: "header[\"\(entry.name)\"].data_offsets",
                    reason: "\(defect), at byte \(entry.range.lowerBound - dataStart) of the data"
                )
            }
            end = entry.range.upperBound
        }
        guard end == fileEnd else {
            throw CheckpointError.malformed(
                file: file,
                field: "data",
                reason: "the tensors end at byte \(end), the file at \(fileEnd)"
            )
        }
    }
}

extension JSONScanner {
    /// An array of at most `limit` numbers from 0 up.
    mutating func naturalNumbers(atMost limit: Int) throws -> [Int] {
        var numbers: [Int] = []
        try beginArray()
        while try nextElement() {
            guard numbers.count < limit else { throw malformed("more than \(limit) numbers") }
            numbers.append(try naturalNumber())
        }
        return numbers
    }
}
