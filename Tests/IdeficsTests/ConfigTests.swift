// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct ConfigTests {
    /// Writes `text` as config.json and reads it.
    static func read(_ text: String) throws -> IdeficsConfig {
        let folder = try TemporaryFolder()
        try folder.write(Array(text.utf8), "config.json")
        return try ModelFiles(directory: folder.url).config()
    }

    @Test func defaultsAreTransformers() throws {
        let config = try Self.read("{}")
        #expect(config == IdeficsConfig())
        #expect(config.vocabSize == 32_000 && config.hiddenSize == 4096 && config.crossLayerInterval == 1)
        #expect(config.visionConfig.embedDim == 768 && config.visionConfig.numPositions == 257)
        #expect(config.perceiverConfig.innerSize == 1536)
        #expect(try Self.read(#"{"unknown": {"x": [1]}, "hidden_size": null}"#) == IdeficsConfig())
    }

    @Test func whatIsWrittenIsReadBack() throws {
        var config = try Self.read("{}")
        config.additionalVocabSize = 2
        config.numKeyValueHeads = 8
        config.rmsNormEps = 1e-5
        config.ropeTheta = 500_000
        config.eosTokenIds = [2, 5]
        config.alphaInitializer = "\"quoted\""
        config.visionConfig.usePreLayerNorm = false
        config.perceiverConfig.resamplerDepth = 3
        let text = String(decoding: config.json(dtype: .bf16), as: UTF8.self)
        #expect(try Self.read(text) == config)
        #expect(text.contains("\"dropout\": 0.0,"))  // transformers 5 refuses 0 for a float
        #expect(text.contains("\"torch_dtype\": \"bfloat16\""))
        #expect(!String(decoding: IdeficsConfig().json(dtype: .f32), as: UTF8.self).contains("use_pre_layernorm"))
    }

    @Test(arguments: ["rope_scaling", "rope_parameters"]) func scaledRotaryEmbeddingsAreRefused(key: String) throws {
        #expect(throws: IdeficsError.self) { try Self.read(#"{"\#(key)": {"type": "linear", "factor": 2.0}}"#) }
        #expect(throws: IdeficsError.self) { try Self.read(#"{"\#(key)": {"rope_type": "llama3"}}"#) }
        #expect(try Self.read(#"{"\#(key)": {"rope_type": "default"}}"#) == IdeficsConfig())
    }

    @Test func nestedAndFlatRevisionsMeanTheSame() throws {
        let nested = try Self.read(
            """
            {"use_resampler": true, "vision_config": {"embed_dim": 1280, "image_size": 224, "hidden_act": "gelu"},
             "perceiver_config": {"resampler_depth": 3, "qk_layer_norms_perceiver": true}, "eos_token_id": [2, 32002]}
            """
        )
        let flat = try Self.read(
            """
            {"use_resampler": true, "vision_embed_dim": 1280, "vision_image_size": 224, "resampler_depth": 3,
             "qk_layer_norms_perceiver": true, "architectures": ["IdeficsForCausalLM"], "eos_token_id": [2, 32002]}
            """
        )
        #expect(nested == flat)
        #expect(nested.visionConfig.embedDim == 1280 && nested.perceiverConfig.resamplerDepth == 3)
        #expect(nested.eosTokenIds == [2, 32_002])
        #expect(try Self.read(#"{"vision_config": {"hidden_size": 64}}"#).visionConfig.embedDim == 64)
        #expect(try Self.read(#"{"rope_parameters": {"rope_theta": 5e5}}"#).ropeTheta == 5e5)
    }

    @Test(arguments: [
        (#"{"hidden_size": "big"}"#, "hidden_size"),
        (#"{"hidden_size": 1e30}"#, "hidden_size"),
        (#"{"hidden_size": -1}"#, "hidden_size"),
        (#"{"hidden_size": 4611686018427387904}"#, "hidden_size"),
        (#"{"num_attention_heads": 3}"#, "num_attention_heads"),
        (#"{"num_attention_heads": 0}"#, "num_attention_heads"),
        (#"{"num_key_value_heads": 5}"#, "num_key_value_heads"),
        (#"{"num_hidden_layers": 5, "cross_layer_interval": 2}"#, "cross_layer_interval"),
        (#"{"num_hidden_layers": 1000000}"#, "num_hidden_layers"),
        (#"{"vision_config": []}"#, "vision_config"),
        (#"{"vision_config": {"patch_size": 0}}"#, "vision_config.patch_size"),
        (#"{"vision_config": {"image_size": 7}}"#, "vision_config.image_size"),
        (#"{"vision_config": {"hidden_act": "gelu_new"}}"#, "vision_config.hidden_act"),
        (#"{"vision_config": {"num_attention_heads": 7}}"#, "vision_config.num_attention_heads"),
        (#"{"perceiver_config": {"resampler_depth": true}}"#, "perceiver_config.resampler_depth"),
        (#"{"hidden_act": "gelu"}"#, "hidden_act"),
        (#"{"alpha_type": "matrix"}"#, "alpha_type"),
        (#"{"dropout": 1.0}"#, "dropout"),
        (#"{"dropout": 1.5}"#, "dropout"),
        (#"{"dropout": -0.5}"#, "dropout"),
        (#"{"dropout": NaN}"#, "dropout"),
        (#"{"rms_norm_eps": 0}"#, "rms_norm_eps"),
        (#"{"rms_norm_eps": -Infinity}"#, "rms_norm_eps"),
        (#"{"rope_theta": 1e-30}"#, "rope_theta"),
        (#"{"initializer_range": -1}"#, "initializer_range"),
        (#"{"alphas_initializer_range": 1e99}"#, "alphas_initializer_range"),
        (#"{"vision_config": {"layer_norm_eps": -1e-5}}"#, "vision_config.layer_norm_eps"),
        (#"{"vision_config": {"layer_norm_eps": "tiny"}}"#, "vision_config.layer_norm_eps"),
        (#"{"eos_token_id": {"a": 1}}"#, "eos_token_id"),
        (#"[]"#, ""),
        (#"{"#, ""),
        ("", ""),
    ])
    func nonsenseNamesItsKey(text: String, key: String) {
        #expect { try Self.read(text) } throws: { error in
            guard case IdeficsError.config(let file, let named, let reason) = error else { return false }
            return file.hasSuffix("config.json") && (key.isEmpty || named == key) && !reason.isEmpty
        }
    }

    @Test func keysNobodyReadsMayHoldAnything() throws {
        let text = #"{"time_step_limit": [0.0, Infinity, -Infinity], "note": NaN, "x": "\ud83d", "dropout": null}"#
        #expect(try Self.read("\u{FEFF}\(text)\r\n") == IdeficsConfig())
        #expect { try Self.read("{\n  \"dropout\": 0.1,\n}") } throws: {
            "\($0)".contains("config.json: not valid JSON at line 3, column 1")
        }
    }

    /// Random changes to a real configuration give another configuration or a typed error.
    @Test func mutations() throws {
        let original = try Array(Fixtures.data("f5-sharded/config.json"))
        var generator = SeededGenerator(seed: 42)
        func random(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }
        var refused = 0
        for _ in 0..<500 {
            var bytes = original
            for _ in 0...random(4) {
                switch random(3) {
                case 0: bytes[random(bytes.count)] = UInt8(random(256))
                case 1: bytes.removeSubrange(random(bytes.count)..<bytes.count)
                default: bytes.insert(contentsOf: Array("9\"{[,".utf8).prefix(1 + random(5)), at: random(bytes.count))
                }
                if bytes.isEmpty { bytes = [UInt8(ascii: "{")] }
            }
            do {
                _ = try Self.read(String(decoding: bytes, as: UTF8.self))
            } catch is IdeficsError {
                refused += 1
            }
        }
        #expect(refused > 100)
    }

    @Test func everythingThatDoesNotFitIsNamedAtOnce() throws {
        let files = ModelFiles(directory: Fixtures.url("f1-resampler-qk"))
        var config = try files.config()
        config.numHiddenLayers = 6
        config.intermediateSize = 50
        #expect { try files.model(config) } throws: { error in
            guard case CheckpointError.mismatch(let missing, _, let misshapen, _) = error else { return false }
            return missing.contains("model.layers.5.mlp.up_proj.weight")
                && missing.contains("model.gated_cross_attn_layers.2.alpha_dense")
                && misshapen.contains { $0.name == "model.layers.0.mlp.down_proj.weight" && $0.expected == [32, 50] }
                && misshapen.count == 4 * 3 + 2 * 3
        }
        config = try files.config()
        config.numHiddenLayers = 2
        config.qkLayerNorms = false
        let unexpected = try files.model(config).unexpected
        #expect(unexpected.contains("model.layers.3.mlp.up_proj.weight"))
        #expect(unexpected.contains("model.gated_cross_attn_layers.0.cross_attn.q_layer_norm.weight"))
    }
}
