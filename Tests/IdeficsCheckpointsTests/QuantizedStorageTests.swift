// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Quantized weights as the options of other tools have them stored.
@Suite struct QuantizedStorageTests {
    private static let shape = [48, 128]

    /// bitsandbytes' matrix of `fixture`, changed, and what is wrong with it.
    private func read(
        _ fixture: String,
        typeName: (from: String, to: String)? = nil,
        _ change: (inout [String: Tensor]) throws -> Void
    ) throws -> (values: [Float], error: (any Error)?) {
        let file = try SafetensorsFile(Fixtures.url("bitsandbytes/\(fixture).safetensors"))
        var tensors: [String: Tensor] = [:]
        for name in file.tensorNames where name.hasPrefix("layer0.weight") {
            tensors[name] = try file.tensor(named: name)
        }
        try change(&tensors)
        let folder = try TemporaryFolder()
        let url = folder.url.appending(path: "x.safetensors")
        try SafetensorsWriter.write(tensors, to: url)
        if let typeName { try Self.rename(typeName.from, to: typeName.to, in: url) }
        let weights = Weights(try SafetensorsFile(url))
        let weight = weights["layer0"].weight("weight", shape: Self.shape)
        do {
            try weights.finish()
            return (weight.values.floatArray(), nil)
        } catch {
            return ([], error)
        }
    }

    /// Changes what the header of a file calls a type of elements.
    private static func rename(_ type: String, to name: String, in url: URL) throws {
        var bytes = Array(try Data(contentsOf: url))
        let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        var header = String(decoding: bytes[8..<8 + length], as: UTF8.self).replacing(
            "\"\(type)\"",
            with: "\"\(name)\""
        )
        while header.utf8.count % 8 != 0 { header += " " }
        let count = header.utf8.count
        bytes.replaceSubrange(0..<8 + length, with: (0..<8).map { UInt8(count >> (8 * $0) & 255) } + Array(header.utf8))
        try Data(bytes).write(to: url)
    }

    /// Types that the engine has no use for.
    @Test(
        arguments: ["nf4", "nf4-double"],
        [["I16", "U16"], ["I32", "U32"], ["I8", "F8_E4M3"], ["I8", "F8_E5M2"]]
    )
    func codesOfTypesThatAreNotComputedWith(_ fixture: String, _ types: [String]) throws {
        let dtypes: [String: DType] = ["I8": .i8, "I16": .i16, "I32": .i32]
        let dtype = try #require(dtypes[types[0]])
        let expected = try read(fixture) { _ in }
        let found = try read(fixture, typeName: (types[0], types[1])) {
            $0["layer0.weight"] = stored(try #require($0["layer0.weight"]), as: dtype) { [$0, 1] }
        }
        #expect(found.error == nil && found.values == expected.values)
    }

    /// The same bytes as elements of another type.
    private func stored(_ tensor: Tensor, as dtype: DType, _ shape: (Int) -> [Int]) -> Tensor {
        let bytes = tensor.withUnsafeBytes { Array($0) }
        return Tensor(uninitialized: shape(bytes.count / dtype.byteCount), dtype: dtype) {
            $0.copyMemory(from: bytes, byteCount: bytes.count)
        }
    }

    @Test(arguments: ["nf4", "nf4-double"], [DType.u8, .i8, .bf16, .f16, .f32, .i32, .i64, .f64])
    func codesOfAnyType(_ fixture: String, _ dtype: DType) throws {
        let expected = try read(fixture) { _ in }
        #expect(expected.error == nil && expected.values.count == 48 * 128)
        for shape: (Int) -> [Int] in [{ [$0, 1] }, { [1, $0] }, { [$0] }] {
            let found = try read(fixture) {
                $0["layer0.weight"] = stored(try #require($0["layer0.weight"]), as: dtype, shape)
            }
            #expect(found.error == nil && found.values == expected.values)
        }
    }

    /// A conversion of the whole model makes scales narrower, too.
    @Test(arguments: ["nf4", "nf4-double"]) func narrowScales(_ fixture: String) throws {
        let expected = try read(fixture) { _ in }.values
        let found = try read(fixture) { tensors in
            for part in ["absmax", "nested_absmax", "nested_quant_map"] {
                let name = "layer0.weight.\(part)"
                if let tensor = tensors[name], tensor.dtype == .f32 { tensors[name] = cast(tensor, to: .bf16) }
            }
        }
        #expect(found.error == nil)
        let largest = expected.map(abs).max() ?? 0
        #expect(maxDifference(found.values, expected) < 0.02 * largest)
    }

    @Test func codesOfAnotherSizeAreNamed() throws {
        let found = try read("nf4") { $0["layer0.weight"] = .zeros([7, 1]) }
        #expect("\(try #require(found.error))".contains("layer0.weight: expected [3072, 1]"))
    }

    @Test func fp4IsRefusedByName() throws {
        let found = try read("nf4") { tensors in
            tensors["layer0.weight.quant_state.bitsandbytes__fp4"] =
                tensors.removeValue(forKey: "layer0.weight.quant_state.bitsandbytes__nf4")
        }
        #expect("\(try #require(found.error))".contains("FP4 of bitsandbytes is not read"))
    }

    @Test(arguments: [
        (["layer0.qweight", "layer0.qzeros", "layer0.scales"], "GPTQ or AWQ"),
        (["layer0.weight_packed", "layer0.weight_scale"], "compressed-tensors"), (["layer0.W_q"], "HQQ"),
        (["layer0.weight", "layer0.SCB"], "LLM.int8"), (["layer0.weight", "layer0.weight_scale_inv"], "FP8"),
        (["layer0.weight._data", "layer0.weight._scale"], "quanto"), (["layer0.weight_blocks"], "MXFP4"),
    ])
    func otherMethodsAreNamed(_ names: [String], _ method: String) throws {
        let found = try read("nf4") { tensors in
            tensors = [:]
            for name in names { tensors[name] = Tensor([3], shape: [1]) }
        }
        guard case CheckpointError.unsupported(let file, let field, let reason) = try #require(found.error) else {
            Issue.record("\(String(describing: found.error))")
            return
        }
        #expect(file == "x.safetensors" && names.contains(field) && reason.contains(method))
    }

    @Test func floatsOf8BitsAreNamed() throws {
        let folder = try TemporaryFolder()
        let header = #"{"w":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]}}"#
        let url = try folder.write(
            UInt64(header.utf8.count).littleEndianBytes + Array(header.utf8) + [1, 2, 3, 4],
            "x"
        )
        let weights = Weights(try SafetensorsFile(url))
        _ = weights.weight("w", shape: [2, 2])
        #expect { try weights.finish() } throws: { "\($0)".contains("FP8") }
    }

    @Test func ggufIsNamed() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("GGUF".utf8), "model-q4.gguf")
        #expect { try Checkpoint(directory: folder.url) } throws: { "\($0)".contains("GGUF of llama.cpp is not read") }
    }
}
