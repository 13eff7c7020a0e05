// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct AdapterMergeTests {
    private let folder: TemporaryFolder
    private let output: URL
    private let fixture = Fixtures.url("f1-resampler-qk")

    init() throws {
        folder = try TemporaryFolder()
        output = folder.url.appending(path: "merged")
    }

    private func logits(_ directory: URL, adapter: URL? = nil) throws -> [Float] {
        let files = ModelFiles(directory: directory)
        let config = try files.config()
        let learned = try adapter.map { try LoRAAdapter(directory: $0, for: config) }
        let (model, unexpected, _) = try files.model(config, isExact: true, adapter: learned)
        #expect(unexpected.isEmpty)
        return try model.forward(Golden("f1-resampler-qk/golden/single2.safetensors").inputs()).logits.floatArray()
    }

    private func dtypes(_ directory: URL) throws -> Set<DType?> {
        let checkpoint = try Checkpoint(directory: directory)
        return Set(checkpoint.tensorNames.map { checkpoint.metadata(named: $0)?.dtype.dtype })
    }

    /// One f32 rounding of each weight is between the merged model and the model with its adapter.
    @Test(arguments: ["qkv", "patterns", "all"], [1 << 30, 20_000])
    func computesWhatModelAndAdapterCompute(name: String, shardByteCount: Int) throws {
        let adapter = Fixtures.url("lora/\(name)")
        let merge = try AdapterMerge(directory: fixture, adapter: adapter, shardByteCount: shardByteCount)
        var steps: [Int] = []
        try merge.write(to: output) { steps.append($0) }
        #expect(steps.last == merge.byteCount && steps == steps.sorted())
        let expected = try Golden("lora/\(name)/golden.safetensors").tensor("single2.logits").floatArray()
        let found = try logits(output)
        let beside = try logits(fixture, adapter: adapter)
        print(
            "merged \(name): \(maxDifference(found, beside)) from the adapter, \(maxDifference(found, expected)) from PEFT"
        )
        #expect(maxDifference(found, beside) < 5e-5)
        #expect(maxDifference(found, expected) < 1e-4)
        // Nothing else has changed, and the directory holds no more than a model.
        #expect(try dtypes(output) == [.f32])
        let (old, new) = (try Checkpoint(directory: fixture), try Checkpoint(directory: output))
        #expect(old.tensorNames == new.tensorNames)
        for tensor in ["model.norm.weight", "model.layers.0.self_attn.k_norm.weight", "lm_head.weight"]
        where old.contains(tensor) {
            #expect(try old.tensor(named: tensor).floatArray() == new.tensor(named: tensor).floatArray())
        }
        #expect(
            try Data(contentsOf: output.appending(path: "config.json"))
                == Data(contentsOf: fixture.appending(path: "config.json"))
        )
        #expect(!FileManager.default.fileExists(atPath: output.appending(path: ".identity").path))
        #expect(throws: FileError.self) { try merge.write(to: output) }
    }

    @Test func storesTheTypeItIsTold() throws {
        let adapter = Fixtures.url("lora/qkv")
        try AdapterMerge(directory: fixture, adapter: adapter, dtype: .bf16).write(to: output)
        #expect(try dtypes(output) == [.bf16])
        let text = try String(contentsOf: output.appending(path: "config.json"), encoding: .utf8)
        #expect(text.contains("\"dtype\": \"bfloat16\"") && !text.contains("float32"))
        // 8 bits of mantissa in every weight.
        #expect(try maxDifference(logits(output), logits(fixture, adapter: adapter)) < 0.3)
        // A bf16 model stays one.
        let bf16 = Fixtures.url("f6-bf16")
        try AdapterMerge(directory: bf16, adapter: adapter).write(to: output, replacesExisting: true)
        #expect(try dtypes(output) == [.bf16])
        #expect(try maxDifference(logits(output), logits(bf16, adapter: adapter)) < 0.3)
    }

    @Test func aQuantizedModelIsRefusedOrDequantized() throws {
        let quantized = folder.url.appending(path: "quantized")
        try ModelQuantization(directory: fixture, options: QuantizationOptions(.nf4)).write(to: quantized)
        let adapter = Fixtures.url("lora/qkv")
        let error = #expect(throws: IdeficsError.self) { try AdapterMerge(directory: quantized, adapter: adapter) }
        #expect(error?.description.contains("--dtype") == true)
        #expect(!FileManager.default.fileExists(atPath: output.path))
        try AdapterMerge(directory: quantized, adapter: adapter, dtype: .f32).write(to: output)
        #expect(try dtypes(output) == [.f32])
        #expect(try maxDifference(logits(output), logits(quantized, adapter: adapter)) < 1e-4)
        let text = try String(contentsOf: output.appending(path: "config.json"), encoding: .utf8)
        #expect(!text.contains("quantization_config") && text.contains("\"dtype\": \"float32\""))
    }

    /// A run that was stopped goes on behind the shards it finished; one with another adapter begins anew.
    @Test func aStoppedRunGoesOn() throws {
        let merge = try AdapterMerge(directory: fixture, adapter: Fixtures.url("lora/qkv"), shardByteCount: 20_000)
        try merge.write(to: output)
        let files = try Checkpoint(directory: output).weightFileNames
        try #require(files.count > 3)
        let contents = try files.map { try Data(contentsOf: output.appending(path: $0)) }
        try FileManager.default.removeItem(at: output)
        func stop() throws -> Date {
            let staged = try StagedDirectory(output, resuming: merge.identity)
            let kept = staged.url.appending(path: files[0])
            try contents[0].write(to: kept)
            let date = Date(timeIntervalSince1970: 1_000_000)
            try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: kept.path)
            return date
        }
        func date() throws -> Date? {
            let path = output.appending(path: files[0]).path
            return try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
        }

        let kept = try stop()
        try merge.write(to: output)
        for (name, content) in zip(files, contents) {
            #expect(try Data(contentsOf: output.appending(path: name)) == content, "\(name)")
        }
        #expect(try date() == kept)
        #expect(try folder.fileNames == ["merged"])

        try FileManager.default.removeItem(at: output)
        _ = try stop()
        let other = try AdapterMerge(directory: fixture, adapter: Fixtures.url("lora/patterns"), shardByteCount: 20_000)
        try other.write(to: output)
        #expect(try date() != kept)
        let expected = try Golden("lora/patterns/golden.safetensors").tensor("single2.logits").floatArray()
        #expect(try maxDifference(logits(output), expected) < 1e-4)
    }

    @Test func anAdapterForAnotherModelIsRefused() throws {
        #expect(throws: IdeficsError.self) {
            try AdapterMerge(directory: Fixtures.url("f2-plain-vector"), adapter: Fixtures.url("lora/qkv"))
        }
        #expect(throws: IdeficsError.self) {
            try AdapterMerge(directory: fixture, adapter: Fixtures.url("lora/qkv"), dtype: .u8)
        }
    }
}
