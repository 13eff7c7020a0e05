// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport

/// The tensors of a trusted safetensors fixture.
struct SafetensorsFixture: Sendable {
    struct Entry: Decodable, Sendable {
        let dtype: String
        let shape: [Int]
        let data_offsets: [Int]
    }

    private let entries: [String: Entry]
    private let bytes: Data

    init(_ path: String) throws {
        let file = try Fixtures.data(path)
        let headerSize = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        entries = try JSONDecoder().decode([String: Entry].self, from: file[8..<(8 + headerSize)])
        bytes = Data(file.dropFirst(8 + headerSize))
    }

    func shape(_ name: String) -> [Int]? { entries[name]?.shape }

    func bytes(_ name: String) -> [UInt8]? {
        entries[name].map { Array(bytes[$0.data_offsets[0]..<$0.data_offsets[1]]) }
    }

    func floats(_ name: String) -> [Float]? {
        bytes(name)?.withUnsafeBytes { raw in
            (0..<(raw.count / 4)).map {
                Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
            }
        }
    }
}
