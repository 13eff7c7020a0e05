// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Seeded mutations of good files: each must open or throw this module's error, and what opens must load.
@Suite struct FuzzTests {
    #if DEBUG
    private static let count = 1000
    #else
    private static let count = 4000
    #endif
    private static let sizes: [UInt64] = [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, .max >> 1, .max]

    /// One to four random changes of `bytes`, most of them inside `range`.
    private static func mutate(_ bytes: [UInt8], in range: Range<Int>, _ generator: inout SeededGenerator) -> [UInt8] {
        var result = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !result.isEmpty {
            let whole = 0..<result.count
            let place = Int.random(in: 0..<8, using: &generator) == 0 ? whole : range.clamped(to: whole)
            guard !place.isEmpty else { continue }
            let position = Int.random(in: place, using: &generator)
            let length = min(Int.random(in: 1...16, using: &generator), result.count - position)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: result[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: result[position] = UInt8.random(in: 0...255, using: &generator)
            case 2: result.removeSubrange(position..<position + length)
            case 3: result.insert(contentsOf: result[position..<position + length], at: position)
            case 4: result.removeSubrange(position...)
            case 5:
                // A size or offset that is too large, in place.
                let size = sizes.randomElement(using: &generator).map(\.littleEndianBytes) ?? []
                for (index, byte) in size.prefix([1, 2, 4, 8].randomElement(using: &generator) ?? 1).enumerated()
                where position + index < result.count {
                    result[position + index] = byte
                }
            case 6:
                // Bytes from elsewhere, in place.
                let source = Int.random(in: 0...result.count - length, using: &generator)
                result.replaceSubrange(position..<position + length, with: result[source..<source + length])
            default:
                let digits = ["-1", "0", "99999999999999999999", "1e9", "\"", "{", "]", "4294967296", "\\u0000"]
                result.insert(contentsOf: Array((digits.randomElement(using: &generator) ?? "").utf8), at: position)
            }
        }
        return result
    }

    /// Opens mutations of `original` and touches every byte of what loads.
    private func fuzz(_ original: [UInt8], in range: Range<Int>, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var opened = 0
        for _ in 0..<Self.count {
            // In memory, not in files: a disk makes this a hundred times slower.
            let bytes = Self.mutate(original, in: range, &generator)
            do {
                let file = try Checkpoint.open(FileContents(bytes, url: URL(filePath: "/fuzz")))
                opened += 1
                for name in file.tensorNames {
                    guard file.metadata(named: name)?.dtype.dtype != nil else { continue }
                    _ = try file.tensor(named: name).withUnsafeBytes { $0.reduce(0, &+) }
                }
            } catch let error as CheckpointError {
                #expect(!error.description.isEmpty)
            }
        }
        // Were all refused, the mutations would test nothing but the first check.
        #expect(opened > 0)
        #expect(opened < Self.count)
    }

    @Test(arguments: [UInt64(1), 2]) func safetensors(_ seed: UInt64) throws {
        let bytes = try Array(Fixtures.data("checkpoints/kinds.safetensors"))
        try fuzz(bytes, in: 0..<1700, seed: seed)
    }

    @Test(arguments: ["protocol2.bin", "protocol5.bin"]) func pickles(_ name: String) throws {
        // The pickle is the first member and takes the front half of the file.
        let bytes = try Array(Fixtures.data("checkpoints/\(name)"))
        try fuzz(bytes, in: 0..<2200, seed: 3)
    }

    @Test func zipDirectories() throws {
        let bytes = try Array(Fixtures.data("checkpoints/protocol2.bin"))
        try fuzz(bytes, in: bytes.count - 1500..<bytes.count, seed: 4)
        let pickle = PickleBuilder.stateDict { $0.tensor("0", count: 2, shape: [2], strides: [1]) }
        var builder = ZipBuilder.torch(pickle: pickle, storages: [("0", Array(repeating: 1, count: 8))])
        builder.usesZip64 = true
        let wide = builder.bytes()
        try fuzz(wide, in: 0..<wide.count, seed: 5)
    }

    @Test func indices() throws {
        let index = try Array(Fixtures.data("checkpoints/early-index/model.safetensors.index.json"))
        var generator = SeededGenerator(seed: 6)
        for _ in 0..<Self.count {
            let bytes = Self.mutate(index, in: 0..<index.count, &generator)
            do {
                let names = try bytes.withUnsafeBytes { try ShardIndex($0, file: "/fuzz").fileNames.values }
                #expect(names.allSatisfy { !$0.contains("/") && $0 != ".." })
            } catch let error as CheckpointError {
                #expect(!error.description.isEmpty)
            }
        }
    }
}
