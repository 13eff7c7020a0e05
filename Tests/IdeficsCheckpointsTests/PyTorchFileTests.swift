// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Archives that are whole and pickles that lie about tensors; PickleTests has the pickles that are wrong themselves.
@Suite struct PyTorchFileTests {
    private let folder: TemporaryFolder
    private static let floats: [UInt8] = [Float](arrayLiteral: 0, 1, 2, 3, 4, 5).withUnsafeBytes(Array.init)

    init() throws {
        folder = try TemporaryFolder()
    }

    private func open(_ bytes: [UInt8]) throws -> PyTorchFile {
        try PyTorchFile(try folder.write(bytes, "x.bin"))
    }

    private func open(
        type: String = "FloatStorage",
        count: Int = 6,
        offset: Int = 0,
        shape: [Int],
        strides: [Int],
        key: String = "0"
    ) throws -> PyTorchFile {
        let pickle = PickleBuilder.stateDict {
            $0.tensor(key, type: type, count: count, offset: offset, shape: shape, strides: strides)
        }
        return try open(ZipBuilder.torch(pickle: pickle, storages: [("0", Self.floats)]).bytes())
    }

    private func expectRefusal(
        _ reason: String,
        unsupported: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> PyTorchFile
    ) {
        IdeficsCheckpointsTests.expectRefusal(
            file: "x.bin",
            field: "data.pkl[\"w\"]",
            reason: reason,
            unsupported: unsupported,
            sourceLocation: sourceLocation
        ) { _ = try body() }
    }

    @Test func stridesAreFollowed() throws {
        func values(offset: Int = 0, _ shape: [Int], _ strides: [Int]) throws -> [Float] {
            let tensor = try open(offset: offset, shape: shape, strides: strides).tensor(named: "w")
            #expect(tensor.shape == shape)
            return tensor.floatArray()
        }
        #expect(try values([2, 3], [3, 1]) == [0, 1, 2, 3, 4, 5])
        #expect(try values([3, 2], [1, 3]) == [0, 3, 1, 4, 2, 5])
        #expect(try values(offset: 1, [2, 2], [3, 1]) == [1, 2, 4, 5])
        #expect(try values(offset: 5, [], []) == [5])
        #expect(try values([2, 2], [0, 1]) == [0, 1, 0, 1])
        #expect(try values([1, 6], [77, 1]) == [0, 1, 2, 3, 4, 5])
        #expect(try values(offset: 6, [0], [1]) == [])
        #expect(try values([0, 3], [100, 100]) == [])
        #expect(try values([1, 2, 1, 3], [9, 1, 9, 2]) == [0, 2, 4, 1, 3, 5])
    }

    @Test func unalignedStoragesAreCopied() throws {
        let pickle = PickleBuilder.stateDict { $0.tensor("0", count: 6, shape: [6], strides: [1]) }
        for padding in 0..<4 {
            var builder = ZipBuilder.torch(pickle: pickle, storages: [("0", Self.floats)])
            builder.members[1].bytes = Array("little".utf8)
            builder.members.insert(.init(name: "archive/pad", bytes: Array(repeating: 0, count: padding)), at: 0)
            let file = try open(builder.bytes())
            #expect(try file.tensor(named: "w").floatArray() == [0, 1, 2, 3, 4, 5])
        }
    }

    @Test func tensorsMustLieInTheirStorage() {
        let outside = "reaches outside its storage"
        expectRefusal(outside) { try open(offset: 1, shape: [6], strides: [1]) }
        expectRefusal(outside) { try open(offset: 7, shape: [0], strides: [1]) }
        expectRefusal(outside) { try open(offset: -1, shape: [1], strides: [1]) }
        expectRefusal(outside) { try open(offset: .max, shape: [1], strides: [1]) }
        expectRefusal(outside) { try open(shape: [2, 3], strides: [4, 1]) }
        expectRefusal(outside) { try open(offset: 6, shape: [], strides: []) }
        expectRefusal(outside) { try open(offset: 1, shape: [3], strides: [.max]) }
        expectRefusal(outside) { try open(offset: 1, shape: [2], strides: [.max]) }
        expectRefusal("strides [-1]") { try open(shape: [2], strides: [-1]) }
        expectRefusal("strides [1]") { try open(shape: [2, 3], strides: [1]) }
        expectRefusal("no size that fits") { try open(shape: [-1], strides: [1]) }
        expectRefusal("no size that fits") { try open(shape: [.max], strides: [0]) }
        expectRefusal("no size that fits") { try open(shape: [1 << 32, 1 << 32], strides: [0, 0]) }
        expectRefusal("no size that fits") { try open(shape: [0, .max], strides: [0, 0]) }
    }

    @Test func storagesMustBeWhatThePickleSays() {
        expectRefusal("has 24 bytes, the pickle says 5") { try open(count: 5, shape: [1], strides: [1]) }
        expectRefusal("has 24 bytes, the pickle says 7") { try open(count: 7, shape: [1], strides: [1]) }
        expectRefusal("the pickle says \(Int.max)") { try open(count: .max, shape: [1], strides: [1]) }
        expectRefusal("has 24 bytes") { try open(type: "DoubleStorage", count: 6, shape: [1], strides: [1]) }
        for key in ["1", "", "../data.pkl", "0/", "/0"] {
            expectRefusal("not in the archive") { try open(shape: [1], strides: [1], key: key) }
        }
    }

    @Test func expandedTensorsAreNoBomb() throws {
        let bomb = "larger than its storage"
        expectRefusal(bomb, unsupported: true) { try open(shape: [7], strides: [0]) }
        expectRefusal(bomb, unsupported: true) { try open(shape: [1 << 40, 1 << 10], strides: [0, 0]) }
        IdeficsCheckpointsTests.expectRefusal(
            file: "expanded.bin",
            field: "data.pkl[\"expanded\"]",
            reason: bomb,
            unsupported: true
        ) { _ = try PyTorchFile(Fixtures.url("checkpoints/expanded.bin")) }
    }

    @Test(arguments: [
        ("legacy.bin", "format", "torch 1.6"),
        ("training.bin", "data.pkl[\"epoch\"]", "expected a tensor, found an int"),
        ("conjugate.bin", "data.pkl at byte 188", "conjugate"),
    ])
    func otherFilesOfTorchAreRefused(_ name: String, _ field: String, _ reason: String) {
        for open in [
            { _ = try PyTorchFile(Fixtures.url("checkpoints/\(name)")) },
            { _ = try Checkpoint(file: Fixtures.url("checkpoints/\(name)")) },
        ] as [() throws -> Void] {
            IdeficsCheckpointsTests.expectRefusal(file: name, field: field, reason: reason, unsupported: true, open)
        }
    }

    @Test func archivesOfOtherKindsAreRefused() throws {
        let pickle = PickleBuilder().op("}").op(".").bytes
        var builder = ZipBuilder.torch(pickle: pickle)
        #expect(try open(builder.bytes()).tensorNames == [])
        builder.members[1].bytes = Array("big".utf8)
        IdeficsCheckpointsTests.expectRefusal(
            file: "x.bin",
            field: "byteorder",
            reason: "little-endian",
            unsupported: true
        ) { _ = try open(builder.bytes()) }
        builder.members[1] = .init(name: "archive/constants.pkl", bytes: pickle)
        IdeficsCheckpointsTests.expectRefusal(
            file: "x.bin",
            field: "constants.pkl",
            reason: "TorchScript",
            unsupported: true
        ) { _ = try open(builder.bytes()) }
        builder.members[1] = .init(name: "other/data.pkl", bytes: pickle)
        IdeficsCheckpointsTests.expectRefusal(file: "x.bin", field: "data.pkl", reason: "2 members") {
            _ = try open(builder.bytes())
        }
        for name in ["data.pkl", "a/b/data.pkl", "archive/data.pkl2", "archive/DATA.pkl"] {
            builder.members = [.init(name: name, bytes: pickle)]
            IdeficsCheckpointsTests.expectRefusal(file: "x.bin", field: "data.pkl", reason: "0 members") {
                _ = try open(builder.bytes())
            }
        }
    }
}
