// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Matrices that lie quantised in a checkpoint.
@Suite struct QuantizedWeightsTests {
    static let shapes = [[48, 128], [30, 72]]

    func file(_ name: String) throws -> SafetensorsFile {
        try SafetensorsFile(Fixtures.url("bitsandbytes/\(name).safetensors"))
    }

    /// bitsandbytes' own files give the values bitsandbytes reads from them (`Tools/make_golden_bitsandbytes.py`).
    @Test(arguments: ["nf4", "nf4-double"])
    func bitsandbytesIsReadAsItLies(name: String) throws {
        let file = try file(name)
        let weights = Weights(file)
        for (index, shape) in Self.shapes.enumerated() {
            let weight = weights["layer\(index)"].weight("weight", shape: shape)
            guard case .quantized(let tensor, _) = weight else {
                Issue.record("layer\(index) is not quantised")
                continue
            }
            #expect(tensor.format == .nf4)
            let expected = try file.tensor(named: "layer\(index).expected").floatArray()
            let found = tensor.dequantized().floatArray()
            // The order of multiplications with the second scale is not bitsandbytes': one rounding apart.
            let isEqual = zip(found, expected).allSatisfy {
                abs($0 - $1) <= (name == "nf4" ? 0 : 1e-7) * max(1, abs($1))
            }
            #expect(isEqual)
        }
        let leftOver = try weights.finish(ignoring: ["*.source", "*.expected"])
        #expect(leftOver.isEmpty)
    }

    /// Our NF4 is bitsandbytes', code for code.
    @Test func nf4RoundsAsBitsandbytes() throws {
        let file = try file("nf4")
        for index in Self.shapes.indices {
            let ours = QuantizedTensor(try file.tensor(named: "layer\(index).source"), format: .nf4)
            let codes = try file.tensor(named: "layer\(index).weight")
            #expect(ours.codes.withUnsafeBytes { Array($0) } == codes.withUnsafeBytes { Array($0) })
            #expect(ours.scales.floatArray() == (try file.tensor(named: "layer\(index).weight.absmax").floatArray()))
        }
    }

    /// Scales quantised once more are bitsandbytes': codes next to it, for its table on CPU is coarse, other parts equal.
    @Test func doubleQuantisationIsBitsandbytes() throws {
        let file = try file("nf4-double")
        for (index, shape) in Self.shapes.enumerated() {
            let source = try file.tensor(named: "layer\(index).source")
            let weight = QuantizedTensor(source, format: .nf4)
            let declarations = NestedNF4.declarations("layer\(index).weight", shape: shape)
            let tensors = NestedNF4(weight, dtype: .f32).tensors
            #expect(declarations.count == tensors.count)
            for (declaration, tensor) in zip(declarations, tensors) {
                #expect(declaration.shape == tensor.shape && declaration.dtype == tensor.dtype)
                let theirs = try file.tensor(named: declaration.name)
                switch declaration.name.split(separator: ".").last {
                case "absmax":
                    let (ours, other) = (try #require(tensor.intArray()), try #require(theirs.intArray()))
                    let steps = zip(ours, other).map { abs($0 - $1) }
                    #expect(steps.allSatisfy { $0 <= 1 })
                    #expect(steps.reduce(0, +) <= 2)
                case "nested_absmax":
                    let differences = zip(tensor.floatArray(), theirs.floatArray()).map { abs($0 - $1) }
                    #expect(differences.allSatisfy { $0 <= 1e-7 })
                case "bitsandbytes__nf4":
                    try compareStates(tensor, theirs)
                default:
                    #expect(tensor.shape == theirs.shape)
                    #expect(tensor.withUnsafeBytes { Array($0) } == theirs.withUnsafeBytes { Array($0) })
                }
            }
            // What is written is read: values within half a step of the second quantisation.
            let folder = try TemporaryFolder()
            let url = folder.url.appending(path: "x.safetensors")
            let writer = try SafetensorsWriter(url, tensors: declarations)
            for (declaration, tensor) in zip(declarations, tensors) {
                try tensor.withUnsafeBytes { try writer.append($0, to: declaration.name) }
            }
            try writer.finish()
            let weights = Weights(try SafetensorsFile(url))
            guard case .quantized(let found, _) = weights["layer\(index)"].weight("weight", shape: shape) else {
                Issue.record("not quantised")
                return
            }
            try weights.finish()
            let scales = weight.scales.floatArray()
            let mean = scales.reduce(0, +) / Float(scales.count)
            let largest = scales.map { abs($0 - mean) }.max() ?? 0
            for (a, b) in zip(found.scales.floatArray(), scales) { #expect(abs(a - b) <= 0.0075 * largest) }
            #expect(found.scales.floatArray() != scales)
        }
    }

    private func compareStates(_ ours: Tensor, _ theirs: Tensor) throws {
        func json(_ tensor: Tensor) throws -> [String: Any] {
            let bytes = tensor.withUnsafeBytes { Data($0) }
            return try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
        }
        let (a, b) = (try json(ours), try json(theirs))
        #expect(a.keys.sorted() == b.keys.sorted())
        for key in a.keys where key != "nested_offset" {
            let (one, other) = ("\(String(describing: a[key]))", "\(String(describing: b[key]))")
            #expect(one == other, "\(key)")
        }
        let (offset, other) = (try #require(a["nested_offset"] as? Double), try #require(b["nested_offset"] as? Double))
        #expect(abs(offset - other) <= 2e-8)
    }

    /// A copy of the golden with one tensor replaced or, with nil, left out.
    func changed(_ name: String, _ tensor: Tensor?) throws -> Weights {
        let file = try file("nf4-double")
        var tensors: [String: Tensor] = [:]
        for existing in file.tensorNames { tensors[existing] = try file.tensor(named: existing) }
        tensors["layer0.weight.\(name)"] = tensor
        let folder = try TemporaryFolder()
        let url = folder.url.appending(path: "x.safetensors")
        try SafetensorsWriter.write(tensors, to: url)
        return Weights(try SafetensorsFile(url))
    }

    func bytes(_ text: String) -> Tensor {
        let array = Array(text.utf8)
        return Tensor(uninitialized: [array.count], dtype: .u8) { $0.copyMemory(from: array, byteCount: array.count) }
    }

    @Test func partsThatDoNotFitAreNamed() throws {
        let state = "quant_state.bitsandbytes__nf4"
        let good =
            #""blocksize": 64, "dtype": "float32", "shape": [48, 128], "nested_blocksize": 256, "nested_offset": 0"#
        let cases: [(String, Tensor?)] = [
            ("absmax", nil), ("absmax", Tensor([Float(1)], shape: [1])), ("nested_absmax", nil),
            ("nested_quant_map", Tensor([Float(1)], shape: [1])), (state, nil), (state, bytes("{")),
            (state, bytes("[1]")), (state, bytes(#"{"quant_type": "fp4", \#(good)}"#)),
            (state, bytes(#"{"quant_type": "nf4", "blocksize": 128, "shape": [48, 128]}"#)),
            (state, bytes(#"{"quant_type": "nf4", "blocksize": 64, "shape": [128, 48]}"#)),
            (state, bytes(#"{"quant_type": "nf4", "blocksize": 64, "shape": [48, 128], "nested_offset": 1e99}"#)),
            ("quant_map", Tensor(Array(repeating: Float(0), count: 16), shape: [16])),
        ]
        for (name, tensor) in cases {
            let weights = try changed(name, tensor)
            _ = weights["layer0"].weight("weight", shape: [48, 128])
            #expect(throws: CheckpointError.self, "\(name)") { try weights.finish() }
        }
        let weights = try changed(state, bytes(#"{"quant_type": "nf4", \#(good)}"#))
        _ = weights["layer0"].weight("weight", shape: [48, 128])
        #expect(throws: Never.self) { try weights.finish() }
    }

    @Test(arguments: QuantizedTensor.Format.allCases)
    func ownLayoutIsReadAsItLies(format: QuantizedTensor.Format) throws {
        let values = Tensor((0..<70 * 100).map { Float(($0 * 7919) % 201 - 100) / 100 }, shape: [70, 100])
        let quantized = QuantizedTensor(values, format: format)
        let folder = try TemporaryFolder()
        let url = folder.url.appending(path: "x.safetensors")
        try SafetensorsWriter.write(
            [
                "a.\(Weights.codesName("weight", format))": quantized.codes,
                "a.\(Weights.scalesName("weight"))": quantized.scales,
            ],
            to: url
        )
        let weights = Weights(try SafetensorsFile(url), isExact: true)
        guard case .quantized(let found, let isExact) = weights["a"].weight("weight", shape: [70, 100]) else {
            Issue.record("not quantised")
            return
        }
        #expect(isExact && found.format == format)
        #expect(found.dequantized().floatArray() == quantized.dequantized().floatArray())
        // Views of rows are the rows.
        let tail = Array(found.dequantized().floatArray().suffix(6 * 100))
        #expect(found[64..<70].dequantized().floatArray() == tail)
        // A shape of another size is a mismatch, not a crash.
        let other = Weights(try SafetensorsFile(url))
        _ = other["a"].weight("weight", shape: [140, 100])
        #expect(throws: CheckpointError.self) { try other.finish() }
    }
}
