// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct WeightsTests {
    /// Tensors made up for a test.
    private struct MemorySource: TensorSource {
        let tensors: [String: Tensor]

        var tensorNames: [String] { tensors.keys.sorted() }

        func metadata(named name: String) -> TensorMetadata? {
            tensors[name].map { tensor in
                TensorMetadata(
                    name: name,
                    dtype: StoredDType(tensor.dtype),
                    shape: tensor.shape,
                    byteCount: tensor.byteCount,
                    fileName: "memory",
                    isMapped: false
                )
            }
        }

        func tensor(named name: String) throws -> Tensor {
            guard let tensor = tensors[name], name != "broken" else {
                throw CheckpointError.missingTensor(file: "memory", name: name)
            }
            return tensor
        }
    }

    private func weights(_ names: String...) -> Weights {
        Weights(
            MemorySource(tensors: Dictionary(uniqueKeysWithValues: names.map { ($0, Tensor([1.0, 2], shape: [2])) }))
        )
    }

    @Test func pathsNameTensors() throws {
        let weights = weights("model.layers.3.q.weight", "top")
        let layer = weights["model"]["layers"][3]
        #expect(layer.path == "model.layers.3")
        #expect(layer["q"].fullName("weight") == "model.layers.3.q.weight")
        #expect(weights.fullName("top") == "top")
        #expect(layer["q"].contains("weight"))
        #expect(!layer["q"].contains("bias"))
        #expect(layer["q"].metadata("weight")?.shape == [2])
        #expect(layer["q"].tensor("weight", shape: [2]).floatArray() == [1, 2])
        #expect(weights.tensor("top", shape: [2]).floatArray() == [1, 2])
        #expect(try weights.finish() == [])
    }

    @Test func everythingWrongIsReportedAtOnce() throws {
        let source = MemorySource(tensors: [
            "short": Tensor([1.0], shape: [1]), "ids": Tensor([1, 2] as [Int], shape: [2]),
            "both": Tensor([1] as [Int], shape: [1]), "fine": Tensor([1.0, 2], shape: [2]),
            "extra": Tensor([1.0], shape: [1]),
            "a.rotary_emb.inv_freq": Tensor([1.0], shape: [1]),
        ])
        let weights = Weights(source)
        for name in ["short", "ids", "both", "fine", "none.b", "none.a", "none.a"] {
            #expect(weights.tensor(name, shape: [2]).shape == [2])
        }
        let expected = CheckpointError.mismatch(
            missing: ["none.a", "none.b"],
            unexpected: ["extra"],
            misshapen: [
                MisshapenTensor(name: "both", expected: [2], found: [1]),
                MisshapenTensor(name: "short", expected: [2], found: [1]),
            ],
            mistyped: [
                MistypedTensor(name: "both", expected: [.f32, .bf16, .f16], found: .i64),
                MistypedTensor(name: "ids", expected: [.f32, .bf16, .f16], found: .i64),
            ]
        )
        #expect(throws: expected) { try weights.finish() }
        #expect(
            expected.description == """
                the checkpoint does not fit the model (compare config.json with the weights)
                missing (2):
                  none.a
                  none.b
                misshapen (2):
                  both: expected [2], found [1]
                  short: expected [2], found [1]
                wrong type (2):
                  both: expected f32/bf16/f16, found I64
                  ids: expected f32/bf16/f16, found I64
                unexpected (1):
                  extra
                """
        )
    }

    @Test func leftOversAreListedOrRefused() throws {
        let weights = weights("a", "b.position_ids", "c.original_inv_freq", "d")
        _ = weights.tensor("a", shape: [2])
        #expect(try weights.finish() == ["d"])
        #expect(try weights.finish(ignoring: []) == ["b.position_ids", "c.original_inv_freq", "d"])
        #expect(try weights.finish(ignoring: ["*"], allowsUnexpected: false) == [])
        #expect(throws: CheckpointError.mismatch(missing: [], unexpected: ["d"], misshapen: [], mistyped: [])) {
            try weights.finish(allowsUnexpected: false)
        }
    }

    @Test func optionalTensorsMayBeAbsentButNotWrong() throws {
        let weights = weights("a")
        #expect(weights.optionalTensor("b", shape: [2]) == nil)
        #expect(weights.optionalTensor("a", shape: [2])?.floatArray() == [1, 2])
        try weights.finish()
        #expect(weights.optionalTensor("a", shape: [3])?.shape == [3])
        #expect(throws: CheckpointError.self) { try weights.finish() }
    }

    @Test func standInsTakeNoMemory() throws {
        let weights = weights("a")
        // 4 TB of zeros: an 80B model's worth of missing tensors must not fill the machine.
        let large = weights.tensor("x", shape: [1 << 20, 1 << 20])
        #expect(large.shape == [1 << 20, 1 << 20])
        large.withUnsafeBytes { #expect($0[0] == 0 && $0[$0.count - 1] == 0) }
        #expect(weights.tensor("y", shape: [3], dtypes: [.i64]).intArray() == [0, 0, 0])
        #expect(weights.tensor("z", shape: [1 << 40, 1 << 20]).shape == [0])
        #expect(weights.tensor("z", shape: [.max, .max]).shape == [0])
        #expect(weights.tensor("n", shape: [-1]).shape == [0])
        #expect(weights.tensor("e", shape: [0, 3]).shape == [0, 3])
    }

    @Test func errorsOfReadingAreThrownAtTheEnd() {
        let weights = weights("broken")
        _ = weights.tensor("broken", shape: [2])
        #expect(throws: CheckpointError.missingTensor(file: "memory", name: "broken")) { try weights.finish() }
    }

    @Test func staleKeysOfOldCheckpointsAreSkipped() throws {
        let checkpoint = try Checkpoint(directory: Fixtures.url("f4-bin-noresampler-qk"))
        let weights = Weights(checkpoint)
        let stale = checkpoint.tensorNames.filter { $0.hasSuffix("inv_freq") || $0.hasSuffix("position_ids") }
        #expect(!stale.isEmpty)
        for name in checkpoint.tensorNames where !stale.contains(name) {
            _ = weights.tensor(name, shape: try #require(checkpoint.metadata(named: name)).shape)
        }
        #expect(try weights.finish(allowsUnexpected: false) == [])
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "b", false), ("", "", true), ("", "*", true), ("abc", "*", true), ("abc", "a*c", true),
        ("abc", "*b*", true), ("abc", "*b", false), ("abc", "abc*", true), ("abc", "a*b*c*", true), ("ab", "a", false),
        ("aab", "*ab", true), ("x.inv_freq", "*.inv_freq", true), ("inv_freq", "*.inv_freq", false),
        (String(repeating: "a", count: 2000), String(repeating: "*a", count: 1000) + "b", false),
    ])
    func starsStandForAnyText(_ name: String, _ pattern: String, _ isMatch: Bool) throws {
        let weights = weights(name)
        #expect(try weights.finish(ignoring: [pattern]).isEmpty == isMatch)
    }

    @Test func descriptionsHoldNoTerminalEscapes() {
        let errors: [CheckpointError] = [
            .malformed(file: "f\u{1B}[2J", field: "\u{9B}x\u{202E}", reason: "r\n"),
            .forbiddenGlobal(file: "f", name: "\u{1B}]0;title\u{7}"),
            .mismatch(missing: ["\u{1B}[31m"], unexpected: [], misshapen: [], mistyped: []),
        ]
        for error in errors {
            let unsafe = error.description.unicodeScalars.filter { $0.value < 0x20 && $0 != "\n" || $0.value == 0x9B }
            #expect(unsafe.isEmpty)
            #expect(!error.description.unicodeScalars.contains("\u{202E}"))
        }
        #expect(
            CheckpointError.missingTensor(file: "f", name: String(repeating: "x", count: 9999)).description.count < 400
        )
    }
}
