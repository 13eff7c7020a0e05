// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Adapters made by peft 0.21.2 on f1, against what transformers computes with them (`Tools/make_golden_lora.py`).
@Suite struct LoRATests {
    static let adapters = ["qkv", "patterns", "all"]
    static let fixture = "f1-resampler-qk"

    private let files = ModelFiles(directory: Fixtures.url(Self.fixture))
    private let config: IdeficsConfig

    init() throws {
        config = try files.config()
    }

    private func adapter(_ name: String) throws -> LoRAAdapter {
        try LoRAAdapter(directory: Fixtures.url("lora/\(name)"), for: config)
    }

    private func logits(_ model: IdeficsModel) throws -> [Float] {
        try model.forward(Golden("\(Self.fixture)/golden/single2.safetensors").inputs()).logits.floatArray()
    }

    @Test(arguments: adapters)
    func logitsAreThoseOfPEFT(name: String) throws {
        let (model, unexpected, _) = try files.model(config, adapter: adapter(name))
        #expect(unexpected.isEmpty)
        let expected = try Golden("lora/\(name)/golden.safetensors").tensor("single2.logits").floatArray()
        let found = try logits(model)
        let difference = maxDifference(found, expected)
        print("LoRA \(name): logits differ by \(difference)")
        // f32 sums of about 50 terms in another order, logits of about ±6.
        #expect(difference < 1e-4)
        // The adapter does something.
        #expect(try maxDifference(found, logits(fixtureModel(Self.fixture))) > 0.1)
    }

    /// A and B zero, B zero, or no adapter at all: the same bits.
    @Test func anAdapterThatHasLearnedNothingChangesNothing() throws {
        let original = try logits(fixtureModel(Self.fixture))
        let learned = try adapter("qkv")
        let layers = learned.layers.mapValues { LoRAAdapter.Layer(a: $0.a, b: .zeros($0.b.shape)) }
        let untrained = LoRAAdapter(config: learned.config, layers: layers)
        #expect(try maxDifference(logits(files.model(config, adapter: untrained).model), original) == 0)
        #expect(try logits(files.model(config, adapter: nil).model) == original)
        let none = LoRAAdapter(config: learned.config, layers: [:])
        #expect(try logits(files.model(config, adapter: none).model) == original)
    }

    /// `adapter_model.bin`, as PEFT stored adapters in 2023.
    @Test func pickledAdaptersAreRead() throws {
        let (pickled, other) = (try adapter("bin"), try adapter("qkv"))
        #expect(pickled.tensors.count == other.tensors.count && pickled.tensors.count > 50)
        for (name, tensor) in other.tensors {
            let found = try #require(pickled.tensors[name])
            #expect(found.shape == tensor.shape && found.floatArray() == tensor.floatArray(), "\(name)")
        }
        #expect(
            try logits(files.model(config, adapter: pickled).model) == logits(files.model(config, adapter: other).model)
        )
    }

    @Test(arguments: adapters)
    func whatIsWrittenIsReadBack(name: String) throws {
        let folder = try TemporaryFolder()
        let place = folder.url.appending(path: "adapter")
        let original = try adapter(name)
        try original.write(to: place)
        let again = try LoRAAdapter(directory: place, for: config)
        #expect(again.config == original.config)
        #expect(again.tensors.mapValues { $0.floatArray() } == original.tensors.mapValues { $0.floatArray() })
        // Byte for byte the tensors PEFT wrote, under its names.
        let source = try SafetensorsFile(Fixtures.url("lora/\(name)/adapter_model.safetensors"))
        #expect(source.tensorNames == again.tensors.keys.sorted())
        #expect(throws: FileError.self) { try original.write(to: place) }
    }

    @Test func scalingsAreThoseOfPEFT() throws {
        let patterns = try adapter("patterns").config
        #expect(patterns.rank(of: "model.layers.0.mlp.down_proj") == 5)
        #expect(patterns.scaling(of: "model.layers.0.mlp.down_proj") == Float(3 / 5.0.squareRoot()))
        #expect(patterns.rank(of: "model.layers.1.self_attn.q_proj") == 2)
        #expect(patterns.scaling(of: "model.layers.2.self_attn.q_proj") == Float(12 / 3.0.squareRoot()))
        #expect(patterns.scaling(of: "model.layers.0.self_attn.q_proj") == Float(6 / 3.0.squareRoot()))
        #expect(try adapter("qkv").config.scaling(of: "model.layers.0.self_attn.q_proj") == 2)
    }

    // MARK: - Bases

    /// On a quantised base the update is that of the dense one: the difference it makes is the same.
    @Test(arguments: QuantizedTensor.Format.allCases)
    func adaptersWorkOnEveryFormat(format: QuantizedTensor.Format) throws {
        let folder = try TemporaryFolder()
        let place = folder.url.appending(path: "model")
        let parts = Dictionary(uniqueKeysWithValues: QuantizationOptions.Part.allCases.map { ($0, format) })
        try ModelQuantization(directory: files.directory, options: .init(formats: parts)).write(to: place)
        let quantized = ModelFiles(directory: place)
        for name in Self.adapters {
            let learned = try adapter(name)
            let model = try quantized.model(config, isExact: true, adapter: learned).model
            // The same weights as floats, with the same adapter.
            let weights = Weights(try Checkpoint(directory: place))
            var tensors: [String: Tensor] = [:]
            for parameter in IdeficsModel.parameters(of: config) {
                tensors[parameter.name] =
                    parameter.isWeight
                    ? weights.weight(parameter.name, shape: parameter.shape).values
                    : weights.tensor(parameter.name, shape: parameter.shape)
            }
            let dense = OverlaidTensors(try Checkpoint(directory: place), replaced: tensors)
            let root = learned.weights(over: dense)
            let reference = IdeficsModel(config, root)
            #expect(try root.finish().isEmpty)
            let difference = try maxDifference(logits(model), logits(reference))
            print("LoRA \(name) on \(format): logits differ by \(difference)")
            #expect(difference < 1e-4)
        }
    }

    // MARK: - Targets

    @Test func targetsAreChosenAsPEFTChooses() throws {
        for name in ["qkv", "patterns"] {
            let learned = try adapter(name)
            let targets = try LoRATargets(learned.config, for: config)
            #expect(Set(targets.layers.map(\.path)) == Set(learned.layers.keys))
            #expect(Set(targets.savedParameters.map(\.name)) == Set(learned.savedParameters.keys))
        }
    }

    @Test func targetsByPatternAndAll() throws {
        var lora = LoRAConfig(targetModules: .init(#"model\.layers\.\d+\.self_attn\.(q|v)_proj"#))
        #expect(try LoRATargets(lora, for: config).layers.count == 8)
        lora.targetModules = .init("q_proj,self_attn.v_proj")
        lora.excludeModules = .init(#".*(vision_model|perceiver|gated).*"#)
        #expect(try LoRATargets(lora, for: config).layers.count == 8)
        lora = LoRAConfig(targetModules: .init("all-linear"))
        let all = try LoRATargets(lora, for: config)
        // 2 vision layers of 6, 2 resampler blocks of 6, 2 gated blocks of 7, 4 decoder layers of 7, and the head's part of
        // added tokens: PEFT's choice.
        #expect(all.layers.count == 12 + 12 + 14 + 28 + 1)
        #expect(try Set(adapter("all").layers.keys) == Set(all.layers.map(\.path)))
        // A head without added tokens can be named.
        let plain = try ModelFiles(directory: Fixtures.url("f3-noqk-noextra")).config()
        let head = try LoRATargets(LoRAConfig(targetModules: .init("lm_head,down_proj")), for: plain)
        #expect(head.layers.contains { $0.path == "lm_head" })
        #expect(
            try !LoRATargets(LoRAConfig(targetModules: .allLinear), for: plain).layers.contains { $0.path == "lm_head" }
        )
        lora.modulesToSave = ["gated_cross_attn_layers", "perceiver_resampler"]
        let saving = try LoRATargets(lora, for: config)
        #expect(saving.layers.count == 12 + 28 + 1)
        // Lists of modules are named by their elements: PEFT cannot wrap a list.
        #expect(
            saving.savedModules == [
                "model.gated_cross_attn_layers.0", "model.gated_cross_attn_layers.1", "model.perceiver_resampler",
            ]
        )
        #expect(saving.savedParameters.contains { $0.name == "model.gated_cross_attn_layers.1.alpha_dense" })
    }

    @Test(arguments: ["lm_head", "embed_tokens", "patch_embedding", "q_prj", "(", "x.*"])
    func targetsThatAreNoneAreRefused(target: String) {
        let error = #expect(throws: IdeficsError.self) {
            try LoRATargets(LoRAConfig(targetModules: .init(target)), for: config)
        }
        #expect(error?.description.contains("target_modules") == true)
    }

    @Test(arguments: [
        String(repeating: "[", count: 5000), "(.*)*(.*)*(.*)*(.*)*(.*)*Z", "(", #"(q_proj)\1"#,
        String(repeating: "(", count: 100_000),
    ])
    func patternsThatMatchNothingOrAreNoneEnd(_ pattern: String) throws {
        let config = try ModelFiles(directory: Fixtures.url("f1-resampler-qk")).config()
        var lora = LoRAConfig(targetModules: .init(pattern))
        #expect { try LoRATargets(lora, for: config) } throws: { "\($0)".contains("target_modules") }
        lora.targetModules = .init("q_proj")
        lora.excludeModules = .init(pattern)
        #expect { try LoRATargets(lora, for: config) } throws: { "\($0)".contains("exclude_modules") }
    }

    @Test func patternsWithLooksChooseLayers() throws {
        let config = try ModelFiles(directory: Fixtures.url("f1-resampler-qk")).config()
        let lora = LoRAConfig(targetModules: .init(#"^(?!.*(vision|perceiver|gated)).*\.(q|v)_proj$"#))
        let layers = try LoRATargets(lora, for: config).layers.map(\.path)
        #expect(layers.count == 2 * config.numHiddenLayers)
        #expect(layers.allSatisfy { $0.hasPrefix("model.layers.") })
    }
}
