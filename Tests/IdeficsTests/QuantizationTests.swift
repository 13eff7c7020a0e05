// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct QuantizationTests {
    let folder: TemporaryFolder
    let output: URL

    init() throws {
        folder = try TemporaryFolder()
        output = folder.url.appending(path: "model")
    }

    /// All parts of a fixture in `format`.
    @discardableResult
    func quantize(
        _ fixture: String,
        _ format: QuantizedTensor.Format,
        shardByteCount: Int = 1 << 30
    ) throws -> QuantizationReport {
        let options = QuantizationOptions(
            formats: Dictionary(uniqueKeysWithValues: QuantizationOptions.Part.allCases.map { ($0, format) })
        )
        return try ModelQuantization(
            directory: Fixtures.url(fixture),
            options: options,
            shardByteCount: shardByteCount
        ).write(to: output, replacesExisting: true)
    }

    /// Logits of the first golden of a fixture by the model in `directory`.
    func logits(_ directory: URL, _ fixture: String, isExact: Bool) throws -> [Float] {
        let files = ModelFiles(directory: directory)
        let model = try files.model(files.config(), isExact: isExact).model
        return try model.forward(Golden("\(fixture)/golden/single2.safetensors").inputs()).logits.floatArray()
    }

    /// The model whose weights are the values of the quantised one, as an ordinary f32 checkpoint.
    func dequantized(_ fixture: String) throws -> URL {
        let files = ModelFiles(directory: output)
        let config = try files.config()
        let weights = Weights(try Checkpoint(directory: output))
        var tensors: [String: Tensor] = [:]
        for parameter in IdeficsModel.parameters(of: config) {
            tensors[parameter.name] = cast(
                parameter.isWeight
                    ? weights.weight(parameter.name, shape: parameter.shape).values
                    : weights.tensor(parameter.name, shape: parameter.shape)
            )
        }
        let directory = folder.url.appending(path: "dequantized")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try SafetensorsWriter.write(tensors, to: directory.appending(path: "model.safetensors"))
        try FileManager.default.copyItem(
            at: Fixtures.url("\(fixture)/config.json"),
            to: directory.appending(path: "config.json")
        )
        return directory
    }

    /// The exact path gives the bits of the model with the dequantised weights.
    @Test(arguments: ["f1-resampler-qk", "f2-plain-vector", "f3-noqk-noextra"], QuantizedTensor.Format.allCases)
    func exactProductsAreThoseOfTheDequantisedWeights(fixture: String, format: QuantizedTensor.Format) throws {
        try quantize(fixture, format)
        let found = try logits(output, fixture, isExact: true)
        #expect(try found == logits(dequantized(fixture), fixture, isExact: false))
        // It is another model than the original, but not much.
        let original = try logits(Fixtures.url(fixture), fixture, isExact: false)
        let difference = maxDifference(found, original)
        #expect(difference > 0)
        #expect(difference < (format == .int8 ? 0.5 : 4), "\(difference)")
    }

    /// Quantised activations are near the exact ones.
    @Test(arguments: [(QuantizedTensor.Format.int8, 2e-3), (.int4, 0.3)])
    func fastProductsAreNearTheExactOnes(format: QuantizedTensor.Format, tolerance: Double) throws {
        try quantize("f1-resampler-qk", format)
        let exact = try logits(output, "f1-resampler-qk", isExact: true)
        let fast = try logits(output, "f1-resampler-qk", isExact: false)
        let difference = maxDifference(exact, fast)
        print("quantised activations, \(format): largest difference of a logit \(difference)")
        #expect(difference > 0)
        #expect(Double(difference) < tolerance)
    }

    @Test func reportTellsTheErrorOfEveryMatrix() throws {
        let report = try quantize("f1-resampler-qk", .int4)
        let files = ModelFiles(directory: output)
        let config = try files.config()
        let matrices = IdeficsModel.parameters(of: config).filter(\.isWeight)
        #expect(report.entries.map(\.name) == matrices.map(\.name))
        #expect(report.entries.allSatisfy { $0.relativeError > 0.01 && $0.relativeError < 0.2 })
        let eighth = try quantize("f1-resampler-qk", .int8)
        #expect(eighth.entries.allSatisfy { $0.relativeError > 0.001 && $0.relativeError < 0.01 })
        #expect(eighth.sourceByteCount == report.sourceByteCount)
        let written = try JSONDecoder().decode(
            QuantizationReport.self,
            from: Data(contentsOf: output.appending(path: "quantization_report.json"))
        )
        #expect(written == eighth)
    }

    @Test func partsHaveFormatsOfTheirOwn() throws {
        try ModelQuantization(directory: Fixtures.url("f7-e2e"), options: QuantizationOptions(.int4)).write(to: output)
        let checkpoint = try Checkpoint(directory: output)
        #expect(checkpoint.contains("model.layers.0.mlp.up_proj.weight.int4"))
        #expect(checkpoint.contains("model.gated_cross_attn_layers.0.cross_attn.q_proj.weight.int4"))
        #expect(checkpoint.contains("lm_head.weight.int8"))
        #expect(checkpoint.contains("model.vision_model.encoder.layers.0.mlp.fc1.weight.int8"))
        #expect(checkpoint.contains("model.vision_model.embeddings.patch_embedding.weight"))
        #expect(!checkpoint.contains("model.layers.0.mlp.up_proj.weight"))
        let config = try String(contentsOf: output.appending(path: "config.json"), encoding: .utf8)
        #expect(config.contains("\"quant_method\": \"idefics\""))
        // It answers, and an already quantised model is not quantised again.
        #expect(ModelFiles(directory: output).hasTokenizer)
        #expect(throws: IdeficsError.self) {
            try ModelQuantization(directory: output, options: QuantizationOptions(.int8))
        }
    }

    /// Nested scales: fewer bits, hardly another model, read from several files, and declared as what they are.
    @Test func doubleQuantisedModelsAreBitsandbytes() throws {
        var options = QuantizationOptions(formats: [.text: .nf4, .resampler: .nf4, .vision: .nf4])
        let once = try ModelQuantization(directory: Fixtures.url("f7-e2e"), options: options).write(to: output)
        let fixture = "f1-resampler-qk"
        try ModelQuantization(directory: Fixtures.url(fixture), options: options)
            .write(to: output, replacesExisting: true)
        let plain = try logits(output, fixture, isExact: true)
        options.usesDoubleQuant = true
        let twice = try ModelQuantization(
            directory: Fixtures.url(fixture),
            options: options,
            shardByteCount: 20_000
        ).write(to: output, replacesExisting: true)
        #expect(try Checkpoint(directory: output).weightFileNames.count > 3)
        #expect(once.entries.allSatisfy { $0.format == "nf4" } && twice.entries.count > 40)
        let difference = maxDifference(try logits(output, fixture, isExact: true), plain)
        print("double quantisation: largest difference of a logit \(difference)")
        #expect(difference > 0 && difference < 0.5)
        let config = try String(contentsOf: output.appending(path: "config.json"), encoding: .utf8)
        #expect(config.contains("\"bnb_4bit_use_double_quant\": true"))
        #expect(config.contains("\"llm_int8_skip_modules\": [\"lm_head\", \"embed_tokens\"]"))
        // With a part in this package's own formats it is no checkpoint of bitsandbytes, but is read here.
        options.formats[.head] = .int8
        try ModelQuantization(directory: Fixtures.url(fixture), options: options)
            .write(to: output, replacesExisting: true)
        #expect(
            try String(contentsOf: output.appending(path: "config.json"), encoding: .utf8)
                .contains("\"quant_method\": \"idefics\"")
        )
        #expect(try logits(output, fixture, isExact: true).count == plain.count)
    }

    /// A run that stopped leaves its finished shards, and the next one writes the rest only.
    @Test func aStoppedRunGoesOn() throws {
        struct Stop: Error {}
        let fixture = Fixtures.url("f1-resampler-qk")
        let quantization = try ModelQuantization(
            directory: fixture,
            options: QuantizationOptions(.int8),
            shardByteCount: 40_000
        )
        try quantization.write(to: output)
        let expected = try Checkpoint(directory: output)
        let files = expected.weightFileNames
        try #require(files.count > 3)
        let contents = try files.map { try Data(contentsOf: output.appending(path: $0)) }
        try FileManager.default.removeItem(at: output)

        // What a stopped run leaves: the staged folder with its identity and some shards, one of them of other tensors.
        let date = Date(timeIntervalSince1970: 1_000_000)
        do {
            let staged = try StagedDirectory(output, resuming: quantization.identity)
            try contents[0].write(to: staged.url.appending(path: files[0]))
            try contents[0].write(to: staged.url.appending(path: files[1]))
            let kept = staged.url.appending(path: files[0])
            try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: kept.path)
        }

        try quantization.write(to: output)
        for (name, content) in zip(files, contents) {
            #expect(try Data(contentsOf: output.appending(path: name)) == content, "\(name)")
        }
        let attributes = try FileManager.default.attributesOfItem(atPath: output.appending(path: files[0]).path)
        #expect(attributes[.modificationDate] as? Date == date)
        #expect(try folder.fileNames == ["model"])
        #expect(!FileManager.default.fileExists(atPath: output.appending(path: ".identity").path))
    }

    /// What cannot be copied is told before the work, and nothing is left of it.
    @Test func otherFilesAreLookedAtFirst() throws {
        let source = folder.url.appending(path: "source")
        try FileManager.default.copyItem(at: Fixtures.url("f1-resampler-qk"), to: source)
        try FileManager.default.createSymbolicLink(
            atPath: source.appending(path: "README.md").path,
            withDestinationPath: "gone"
        )
        let quantization = try ModelQuantization(directory: source, options: QuantizationOptions(.int8))
        let error = #expect(throws: FileError.self) { try quantization.write(to: output) }
        #expect(error?.path.hasSuffix("README.md") == true)
        #expect(try folder.fileNames == ["source"])
    }

    @Test func aCopyIsMadeOnce() throws {
        let cache = ApplicationCache(environment: ["IDEFICS_CACHE": folder.path("cache")])
        var calls = 0
        func copy(_ format: QuantizedTensor.Format) throws -> URL {
            try quantizedCopy(
                of: Fixtures.url("f7-e2e"),
                options: QuantizationOptions(format),
                cache: cache,
                progress: { _, _ in calls += 1 }
            )
        }
        let first = try copy(.int8)
        let count = calls
        #expect(count > 0)
        #expect(try copy(.int8) == first)
        #expect(calls == count)
        #expect(try copy(.int4) != first)
    }

    /// A copy is found by all that is in it: weights, every small file, options.
    @Test func aCopyIsOfAllFiles() throws {
        let cache = ApplicationCache(environment: ["IDEFICS_CACHE": folder.path("cache")])
        let source = folder.url.appending(path: "source")
        try FileManager.default.copyItem(at: Fixtures.url("f7-e2e"), to: source)
        func copy() throws -> URL { try quantizedCopy(of: source, options: QuantizationOptions(.int8), cache: cache) }
        var copies = [try copy()]
        for name in ["config.json", "generation_config.json", "preprocessor_config.json", "chat_template.jinja"] {
            let file = source.appending(path: name)
            let old = (try? Data(contentsOf: file)) ?? Data("{}".utf8)
            try (old + Data(" ".utf8)).write(to: file)
            copies.append(try copy())
            #expect(try copy() == copies.last)
        }
        #expect(Set(copies).count == copies.count)
        let listed = try QuantizedCopies(cache: cache).list()
        #expect(Set(listed.map(\.path)) == Set(copies.map(\.path)))
        #expect(listed.filter(\.isCurrent).map(\.path) == [copies.last?.path])
        #expect(listed.allSatisfy { $0.source == source.path && $0.format == "int8" && $0.byteCount > 0 })
    }

    /// Removed is what the program made: not what lies beside it, and not what links lead to.
    @Test func onlyCopiesAreRemoved() throws {
        let cache = ApplicationCache(environment: ["IDEFICS_CACHE": folder.path("cache")])
        let copies = QuantizedCopies(cache: cache)
        #expect(try copies.list().isEmpty)
        let copy = try quantizedCopy(of: Fixtures.url("f7-e2e"), options: QuantizationOptions(.int8), cache: cache)
        let mine = copies.directory.appending(path: "mine")
        try FileManager.default.createDirectory(at: mine, withIntermediateDirectories: true)
        try Data().write(to: mine.appending(path: "config.json"))
        let elsewhere = folder.url.appending(path: "elsewhere")
        try FileManager.default.copyItem(at: copy, to: elsewhere)
        try FileManager.default.createSymbolicLink(
            at: copies.directory.appending(path: "link"),
            withDestinationURL: elsewhere
        )
        do { _ = try StagedDirectory(copies.directory.appending(path: "x"), resuming: "a") }
        let listed = try copies.list()
        #expect(listed.map(\.path) == [copy.path])
        #expect(copies.unfinished().count == 1)
        for one in listed { #expect(try copies.remove(one)) }
        try copies.removeUnfinished()
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: copies.directory.path).sorted() == ["link", "mine"]
        )
        #expect(FileManager.default.fileExists(atPath: elsewhere.appending(path: "config.json").path))
    }

    @Test func aCopyThatLostFilesIsMadeAgain() throws {
        let cache = ApplicationCache(environment: ["IDEFICS_CACHE": folder.path("cache")])
        func copy() throws -> URL {
            try quantizedCopy(of: Fixtures.url("f7-e2e"), options: QuantizationOptions(.int8), cache: cache)
        }
        let place = try copy()
        let config = place.appending(path: "config.json")
        let content = try Data(contentsOf: config)
        try FileManager.default.removeItem(at: config)
        #expect(try copy() == place)
        #expect(try Data(contentsOf: config) == content)
    }

    @Test func weightsThatAreNoNumbersAreNamed() throws {
        let source = folder.url.appending(path: "source")
        try FileManager.default.copyItem(at: Fixtures.url("f1-resampler-qk"), to: source)
        let checkpoint = try Checkpoint(directory: source)
        var tensors: [String: Tensor] = [:]
        for name in checkpoint.tensorNames { tensors[name] = try checkpoint.tensor(named: name) }
        let name = "model.layers.0.mlp.up_proj.weight"
        let shape = try #require(tensors[name]?.shape)
        var values = try #require(tensors[name]?.floatArray())
        values[3] = .nan
        tensors[name] = Tensor(values, shape: shape)
        try SafetensorsWriter.write(tensors, to: source.appending(path: "model.safetensors"))
        let error = #expect(throws: IdeficsError.self) {
            try ModelQuantization(directory: source, options: QuantizationOptions(.int4)).write(to: output)
        }
        #expect(error?.description.contains(name) == true)
        #expect(!FileManager.default.fileExists(atPath: output.path))
    }
}
