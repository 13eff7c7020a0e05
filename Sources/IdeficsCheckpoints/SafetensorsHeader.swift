// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

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
        fileprivate(set) var range: Range<Int>
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
        var (entries, metadata) = try CheckpointError.wrapping("header") {
            try Self.read(
                JSONDocument.parse(Array(bytes[8..<dataStart]), file: file),
                dataCount: bytes.count - dataStart
            )
        }
        for index in entries.indices { entries[index].range = entries[index].range.offset(by: dataStart) }
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

    /// The tensors, with ranges in the data, and the strings under `__metadata__`.
    private static func read(_ document: JSONDocument, dataCount: Int) throws -> ([Entry], [String: String]) {
        var entries: [Entry] = []
        var metadata: [String: String] = [:]
        var names: Set<String> = []
        let members = try document.root.memberIndices()
        entries.reserveCapacity(members.count)
        names.reserveCapacity(members.count)
        for (key, value) in members {
            // Paths are only built for a complaint: there may be 10⁵ tensors.
            func field() -> JSONField {
                JSONField(document: document, index: value, path: JSONField.path("", key: document.string(at: key)))
            }
            guard document.isText(at: key) else { throw field().error("a name with half of a surrogate pair") }
            let name = document.string(at: key)
            guard names.insert(name).inserted else { throw field().error("the name appears twice") }
            if name != "__metadata__" {
                entries.append(try entry(name, field, dataCount: dataCount))
            } else if document.nodes[value].kind != .null {
                for (key, value) in try field().members() { metadata[key] = try value.string() }
            }
        }
        return (entries, metadata)
    }

    private static func entry(_ name: String, _ field: () -> JSONField, dataCount: Int) throws -> Entry {
        let field = field()
        let document = field.document
        func at(_ index: Int, _ key: String) -> JSONField {
            JSONField(document: document, index: index, path: JSONField.path(field.path, key: key))
        }
        var dtype: StoredDType?
        var shape: [Int]?
        var offsets: [Int]?
        for (key, value) in try field.memberIndices() {
            if document.isString(at: key, equalTo: "dtype"), dtype == nil {
                let text = try at(value, "dtype").string()
                dtype = StoredDType(rawValue: text)
                if dtype == nil { throw at(value, "dtype").error("unknown element type \(text)") }
            } else if document.isString(at: key, equalTo: "shape"), shape == nil {
                shape = try at(value, "shape").naturalNumbers(atMost: maximumRank)
            } else if document.isString(at: key, equalTo: "data_offsets"), offsets == nil {
                let numbers = try at(value, "data_offsets").naturalNumbers(atMost: 2)
                guard numbers.count == 2, numbers[0] <= numbers[1], numbers[1] <= dataCount else {
                    throw at(value, "data_offsets").error("\(numbers) is no range in data of \(dataCount) bytes")
                }
                offsets = numbers
            } else {
                throw at(value, document.string(at: key)).error("unknown key, or one that appears twice")
            }
        }
        guard let dtype else { throw field.error("no dtype") }
        guard let shape else { throw field.error("no shape") }
        guard let offsets else { throw field.error("no data_offsets") }
        guard let byteCount = dtype.byteCount(of: shape) else {
            throw field.error("\(shape) of \(dtype.rawValue) has no size in whole bytes that fits 63 bits")
        }
        guard byteCount == offsets[1] - offsets[0] else {
            throw field.error(
                "\(shape) of \(dtype.rawValue) takes \(byteCount) bytes, data_offsets give \(offsets[1] - offsets[0])"
            )
        }
        return Entry(name: name, dtype: dtype, shape: shape, range: offsets[0]..<offsets[1])
    }

    /// Checks that `entries`, sorted by position, cover the data exactly.
    private static func checkCoverage(_ entries: [Entry], dataStart: Int, fileEnd: Int, file: String) throws {
        var end = dataStart
        for entry in entries {
            guard entry.range.lowerBound == end else {
                let defect = entry.range.lowerBound < end ? "overlaps the tensor before it" : "leaves a hole before it"
                throw CheckpointError.malformed(
                    file: file,
                    field: "\(JSONField.path("header", key: entry.name)).data_offsets",
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

extension Range<Int> {
    fileprivate func offset(by distance: Int) -> Range<Int> { lowerBound + distance..<upperBound + distance }
}

extension JSONField {
    /// An array of at most `limit` numbers from 0 up, written without point or exponent.
    func naturalNumbers(atMost limit: Int) throws -> [Int] {
        let elements = try elementIndices()
        return try elements.enumerated().map { offset, index in
            guard offset < limit else { throw element(offset, index).error("more than \(limit) numbers") }
            guard let number = document.integer(at: index), number >= 0 else {
                throw element(offset, index).wrongType("a whole number from 0 up that fits 63 bits")
            }
            return number
        }
    }

    private func element(_ offset: Int, _ index: Int) -> JSONField {
        JSONField(document: document, index: index, path: "\(path)[\(offset)]")
    }
}
