// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct CheckpointPlanTests {
    private struct Stopped: Error {}

    /// Three entries of one, two and one tensors, each tensor of which takes a shard of its own.
    private let plan = CheckpointPlan<Int>(
        [
            .init(1, [.init(name: "a", dtype: .f32, shape: [4])]),
            .init(
                2,
                [.init(name: "b.codes", dtype: .i64, shape: [2]), .init(name: "b.scales", dtype: .f32, shape: [4])]
            ),
            .init(3, [.init(name: "c", dtype: .bf16, shape: [8])]),
        ],
        shardByteCount: 16
    )

    private func tensors(_ source: Int) -> [Tensor] {
        let floats = Tensor([Float](repeating: Float(source), count: source == 3 ? 8 : 4), shape: [source == 3 ? 8 : 4])
        return source == 2 ? [Tensor([7, 7], shape: [2]), floats] : [floats]
    }

    @Test func entriesAreWrittenInOrderAndCast() throws {
        let folder = try TemporaryFolder()
        var begun: [Int] = []
        var done: [Int] = []
        try plan.write(
            to: folder.url,
            before: { entry, _ in begun.append(entry.source) },
            progress: { done.append($0) },
            tensors: { tensors($0) }
        )
        #expect(plan.byteCount == 64)
        #expect(begun == [1, 2, 3])
        #expect(done == [16, 48, 64])
        let checkpoint = try Checkpoint(directory: folder.url)
        #expect(checkpoint.weightFileNames.count == 4)
        #expect(checkpoint.tensorNames == ["a", "b.codes", "b.scales", "c"])
        // Floats, stored as the bf16 that was declared.
        #expect(try checkpoint.tensor(named: "c").dtype == .bf16)
        #expect(try cast(checkpoint.tensor(named: "c")).floatArray() == [Float](repeating: 3, count: 8))
    }

    @Test func whatAnEarlierRunFinishedIsNotMadeAgain() throws {
        let folder = try TemporaryFolder()
        var isKept = false
        #expect(throws: Stopped.self) {
            try plan.write(to: folder.url) { source in
                if source == 3 { throw Stopped() }
                return tensors(source)
            }
        }
        // As if the run had stopped between the two tensors of one entry.
        try FileManager.default.removeItem(at: folder.url.appending(path: "model-00003-of-00004.safetensors"))
        var made: [Int] = []
        var begun: [Int] = []
        try plan.write(
            to: folder.url,
            keepsFinishedShards: true,
            before: { entry, writer in
                begun.append(entry.source)
                isKept = isKept || !writer.needs("a")
            },
            tensors: { source in
                made.append(source)
                return tensors(source)
            }
        )
        #expect(made == [2, 3])
        #expect(begun == [1, 2, 3])
        #expect(isKept)
        #expect(try Checkpoint(directory: folder.url).tensor(named: "b.scales").floatArray() == [2, 2, 2, 2])
    }
}
