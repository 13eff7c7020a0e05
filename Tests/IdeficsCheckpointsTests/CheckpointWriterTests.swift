// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct CheckpointWriterTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    static let tensors = (0..<5).map { index in
        (name: "t\(index)", tensor: Tensor((0..<10).map { Float($0 * index) }, shape: [2, 5]))
    }

    func writer(shardByteCount: Int) throws -> CheckpointWriter {
        try CheckpointWriter(
            folder.url,
            tensors: Self.tensors.map { .init(name: $0.name, dtype: .f32, shape: $0.tensor.shape) },
            shardByteCount: shardByteCount
        )
    }

    @Test(arguments: [
        (1000, 1), (200, 1), (199, 2), (80, 3), (79, 5), (1, 5),
    ])
    func shardsAreNoLargerThanAsked(shardByteCount: Int, files: Int) throws {
        let writer = try writer(shardByteCount: shardByteCount)
        for (name, tensor) in Self.tensors { try writer.write(tensor, named: name) }
        try writer.finish()
        let checkpoint = try Checkpoint(directory: folder.url)
        #expect(checkpoint.weightFileNames.count == files)
        for (name, tensor) in Self.tensors {
            #expect(try checkpoint.tensor(named: name).floatArray() == tensor.floatArray())
        }
        let expected =
            files == 1
            ? ["model.safetensors"]
            : (1...files).map { "model-0000\($0)-of-0000\(files).safetensors" } + ["model.safetensors.index.json"]
        #expect(try folder.fileNames == expected)
    }

    @Test func indexSaysHowLargeTheWholeIs() throws {
        let writer = try writer(shardByteCount: 100)
        for (name, tensor) in Self.tensors { try writer.write(tensor, named: name) }
        try writer.finish()
        let data = try Data(contentsOf: folder.url.appending(path: "model.safetensors.index.json"))
        let index = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect((index["metadata"] as? [String: Int])?["total_size"] == 200)
    }

    @Test func orderAndCompletenessAreKept() throws {
        let writer = try writer(shardByteCount: 1000)
        #expect(throws: CheckpointError.self) { try writer.write(Self.tensors[1].tensor, named: "t1") }
        #expect(throws: CheckpointError.self) { try writer.write(Tensor([Float(1)], shape: [1]), named: "t0") }
        try writer.write(Self.tensors[0].tensor, named: "t0")
        #expect(throws: CheckpointError.self) { try writer.finish() }
        for (name, tensor) in Self.tensors.dropFirst() { try writer.write(tensor, named: name) }
        #expect(throws: CheckpointError.self) { try writer.write(Self.tensors[0].tensor, named: "t0") }
        try writer.finish()
        #expect(throws: CheckpointError.self) {
            try CheckpointWriter(folder.url, tensors: [.init(name: "x", dtype: .f32, shape: [Int.max, 8])])
        }
    }
}
