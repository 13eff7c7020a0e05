// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Reads f32 and i64 tensors of a trusted fixture; the real reader is in IdeficsCheckpoints.
struct Safetensors {
    struct Entry: Decodable {
        var dtype: String
        var shape: [Int]
        var data_offsets: [Int]
    }

    private let data: Data
    private let entries: [String: Entry]

    init(_ data: Data) throws {
        let length = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        let header = try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any] ?? [:]
        let tensors = try JSONSerialization.data(withJSONObject: header.filter { $0.key != "__metadata__" })
        entries = try JSONDecoder().decode([String: Entry].self, from: tensors)
        self.data = data.dropFirst(8 + length)
    }

    func shape(_ name: String) -> [Int]? { entries[name]?.shape }

    func floats(_ name: String) -> [Float]? {
        guard let entry = entries[name], entry.dtype == "F32" else { return nil }
        let start = data.startIndex
        let bytes = [UInt8](data[start + entry.data_offsets[0]..<start + entry.data_offsets[1]])
        return bytes.withUnsafeBytes { raw in
            (0..<bytes.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    func integers(_ name: String) -> [Int]? {
        guard let entry = entries[name], entry.dtype == "I64" else { return nil }
        let start = data.startIndex
        let bytes = [UInt8](data[start + entry.data_offsets[0]..<start + entry.data_offsets[1]])
        return bytes.withUnsafeBytes { raw in
            (0..<bytes.count / 8).map { Int(raw.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
    }
}
