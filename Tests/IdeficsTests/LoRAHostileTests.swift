// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Adapter files that are damaged, or say what this package does not do.
@Suite struct LoRAHostileTests {
    private let folder: TemporaryFolder
    private let config: IdeficsConfig
    private let good = Fixtures.url("lora/qkv")

    init() throws {
        folder = try TemporaryFolder()
        config = try ModelFiles(directory: Fixtures.url("f1-resampler-qk")).config()
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            try FileManager.default.copyItem(
                at: good.appending(path: name),
                to: folder.url.appending(path: name)
            )
        }
    }

    private func error() -> String {
        do {
            _ = try LoRAAdapter(directory: folder.url, for: config)
            return ""
        } catch {
            return "\(error)"
        }
    }

    private func rewriteConfig(_ key: String, _ json: String) throws {
        let url = folder.url.appending(path: "adapter_config.json")
        var object = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: good.appending(path: "adapter_config.json")))
                as? [String: Any]
        )
        object[key] = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
        try JSONSerialization.data(withJSONObject: object).write(to: url)
    }

    private func rewriteTensors(_ change: (inout [String: Tensor]) throws -> Void) throws {
        let file = try SafetensorsFile(good.appending(path: "adapter_model.safetensors"))
        var tensors: [String: Tensor] = [:]
        for name in file.tensorNames { tensors[name] = try file.tensor(named: name) }
        try change(&tensors)
        try SafetensorsWriter.write(tensors, to: folder.url.appending(path: "adapter_model.safetensors"))
    }

    /// Written by DeepSpeed or `torch.save`, the adapter's name is in the names of its tensors.
    @Test func theAdaptersNameInNamesOfTensors() throws {
        let plain = try LoRAAdapter(directory: good, for: config)
        for adapter in ["default", "my-task"] {
            try rewriteTensors { tensors in
                tensors = Dictionary(
                    uniqueKeysWithValues: tensors.map { name, tensor in
                        let parts = name.split(separator: ".").map(String.init)
                        return ((parts.dropLast() + [adapter, "weight"]).joined(separator: "."), tensor)
                    }
                )
            }
            let named = try LoRAAdapter(directory: folder.url, for: config)
            #expect(named.tensors.keys == plain.tensors.keys)
            for (name, tensor) in named.tensors { #expect(tensor.floatArray() == plain.tensors[name]?.floatArray()) }
        }
        try rewriteTensors { tensors in
            for (name, tensor) in tensors where name.hasSuffix(".lora_A.weight") {
                tensors[name.replacing(".lora_A.weight", with: ".lora_A.other.weight")] = tensor
            }
        }
        #expect(error().contains("is of another adapter than"))
    }

    @Test func theOriginalIsGood() {
        #expect(error() == "")
    }

    @Test(arguments: [
        ("peft_type", #""IA3""#), ("r", "0"), ("r", "-4"), ("r", "8"), ("r", "1e30"),
        ("r", #""4""#), ("lora_alpha", "0"), ("lora_alpha", "-1"), ("lora_alpha", "1e300"), ("lora_dropout", "1"),
        ("lora_dropout", "-0.1"), ("target_modules", "7"),
        ("target_modules", #"["k_proj", "v_proj"]"#), ("exclude_modules", #"["q_proj"]"#), ("use_dora", "true"),
        ("bias", #""lora_only""#), ("lora_bias", "true"), ("use_qalora", "true"),
        ("init_lora_weights", #""pissa""#), ("layer_replication", "[[0, 1]]"), ("target_parameters", #"["x"]"#),
        ("trainable_token_indices", "[1, 2]"), ("alora_invocation_tokens", "[3]"), ("use_bdlora", #"{"a": 1}"#),
        ("a_key_of_2027", "1"), ("rank_pattern", #"{"q_proj": 2}"#), ("rank_pattern", #"{"q_proj": 0}"#),
        ("rank_pattern", #"{".*q_proj": 2}"#), ("alpha_pattern", #"{"(a|b": 4}"#), ("modules_to_save", "[\"a*\"]"),
        ("rank_pattern", #"{"[": 4}"#), ("alpha_pattern", #"{"q_proj": "x"}"#), ("target_modules", "[[]]"),
    ])
    func configurationsAreRefusedByTheirKey(key: String, json: String) throws {
        try rewriteConfig(key, json)
        let message = error()
        // A rank that is not the tensors' shows in the tensors.
        let isRank = ["r", "rank_pattern", "target_modules", "exclude_modules"].contains(key)
        // What is no number for the decoder is an error of the whole file.
        let isRange = json.contains("e3")
        #expect(
            isRange || message.contains("\"\(key)") || isRank && message.contains("base_model.model."),
            "\(message)"
        )
        #expect(message.contains("adapter_"), "\(message)")
    }

    @Test(arguments: [
        ("a_key_of_2027", "null"), ("a_key_of_2027", "false"), ("a_key_of_2027", "{}"), ("a_key_of_2027", "[]"),
        ("init_lora_weights", "false"), ("init_lora_weights", #""gaussian""#), ("exclude_modules", #"["fc1"]"#),
        ("target_modules", #"".*_proj""#), ("target_modules", #""all-linear""#), ("alpha_pattern", #"{"q_proj": 3}"#),
        ("task_type", #""CAUSAL_LM""#), ("peft_type", "null"), ("target_modules", "null"), ("fan_in_fan_out", "true"),
        ("rank_pattern", #"{".*q_proj": 4}"#), ("rank_pattern", #"{"^model.layers.\\d+.self_attn.[qv]_proj": 4}"#),
        ("alpha_pattern", #"{"(a|b)*": 4}"#), ("rank_pattern", "null"), ("lora_dropout", "null"), ("bias", "null"),
        ("modules_to_save", "null"), ("enable_lora", "null"), ("merge_weights", "false"), ("use_rslora", "null"),
        ("layers_to_transform", "[0]"), ("eva_config", #"{"rho": 2.0}"#), ("init_lora_weights", "null"),
        ("lora_bias", "false"), ("note", #""""#), ("base_model_name_or_path", "null"),
    ])
    func configurationsThatSayNothingElseAreRead(key: String, json: String) throws {
        try rewriteConfig(key, json)
        #expect(error() == "")
    }

    @Test func jsonThatIsNoneIsRefused() throws {
        for text in ["", "[]", "{", #"{"peft_type": 3}"#, String(repeating: "[", count: 100_000)] {
            try Data(text.utf8).write(to: folder.url.appending(path: "adapter_config.json"))
            #expect(error().contains("adapter_config.json"), "\(text.prefix(20))")
        }
    }

    /// Adapters of the first versions of PEFT, and those whose keys all have their defaults.
    @Test func keysMayBeMissing() throws {
        let config = #"{"limits": [0.0, Infinity], "low": -Infinity, "note": NaN, "r": 4, "lora_alpha": 8}"#
        try Data("\u{FEFF}\(config)".utf8).write(to: folder.url.appending(path: "adapter_config.json"))
        let adapter = try LoRAAdapter(directory: folder.url, for: self.config)
        #expect(adapter.config.targetModules == .names(adapter.layers.keys.sorted()))
        #expect(adapter.layers.count == (try LoRAAdapter(directory: good, for: self.config).layers.count))
    }

    /// Names as files have them that PEFT did not save, or an old version.
    @Test(
        arguments: [
            { $0.replacing("base_model.model.", with: "") },
            { $0.replacing(".weight", with: ".default.weight") },
            { $0.replacing(".weight", with: ".mine.weight").replacing("base_model.model.", with: "") },
            { "module._orig_mod.\($0)" },
            { $0.replacing("base_model.model.", with: "base_model.model._orig_mod.") },
            { $0.replacing(".self_attn", with: "._checkpoint_wrapped_module.self_attn") },
        ] as [@Sendable (String) -> String]
    )
    func namesOfEveryAge(_ rename: @Sendable (String) -> String) throws {
        let expected = try LoRAAdapter(directory: good, for: config)
        try rewriteTensors { tensors in
            tensors = Dictionary(uniqueKeysWithValues: tensors.map { (rename($0.key), $0.value) })
        }
        let adapter = try LoRAAdapter(directory: folder.url, for: config)
        #expect(adapter.layers.keys == expected.layers.keys)
        for (path, layer) in expected.layers {
            #expect(adapter.layers[path]?.a.floatArray() == layer.a.floatArray())
            #expect(adapter.layers[path]?.b.floatArray() == layer.b.floatArray())
        }
    }

    @Test func modulesTrainedInFullOfEveryAge() throws {
        for name in [
            "model.norm.weight", "model.norm.modules_to_save.weight", "model.norm.modules_to_save.default.weight",
        ] {
            try rewriteTensors {
                $0["base_model.model.\(name)"] = .zeros([32])
                if name.contains("modules_to_save") {
                    $0["base_model.model.model.norm.original_module.weight"] = .zeros([32])
                }
            }
            let adapter = try LoRAAdapter(directory: folder.url, for: config)
            #expect(adapter.savedParameters.keys.sorted() == ["model.norm.weight"])
        }
    }

    @Test func severalAdaptersInOneFileAreRefused() throws {
        try refused("is of another adapter than") { tensors in
            for (name, tensor) in tensors {
                tensors[name] = nil
                tensors[name.replacing(".weight", with: ".one.weight")] = tensor
                tensors[name.replacing(".weight", with: ".two.weight")] = tensor
            }
        }
        try refused("is of another adapter than") { tensors in
            for (name, tensor) in tensors { tensors[name.replacing("base_model.model.", with: "")] = tensor }
        }
    }

    private static let layer = "base_model.model.model.layers.0.self_attn.q_proj"

    /// A change of the tensors, and the name that the error must have.
    private func refused(_ named: String, _ change: (inout [String: Tensor]) throws -> Void) throws {
        try rewriteTensors(change)
        let message = error()
        #expect(message.contains(named), "\(message)")
    }

    @Test func tensorsAreRefusedByTheirName() throws {
        let (a, b) = ("\(Self.layer).lora_A.weight", "\(Self.layer).lora_B.weight")
        try refused(b) { $0[b] = nil }
        try refused(a) { $0[a] = nil }
        try refused(a) { $0[a] = .zeros([5, 32]) }
        try refused(b) { $0[b] = .zeros([4, 32]) }
        try refused(a) { $0[a] = .zeros([4 * 32]) }
        try refused(a) { $0[a] = Tensor([Int](repeating: 1, count: 128), shape: [4, 32]) }
        try refused("model.x.lora_A.weight") { $0["model.x.lora_A.weight"] = .zeros([4, 32]) }
        for name in [
            "model.layers.9.self_attn.q_proj.lora_A.weight", "model.norm.bias",
            "model.embed_tokens.lora_embedding_A", "model.layers.0.self_attn.q_proj.lora_magnitude_vector",
            "model.layers.0.self_attn.q_proj.lora_B.bias", "model.layers.0.self_attn.q_proj.weight", "", ".",
        ] {
            try refused("base_model.model.\(name)") { $0["base_model.model.\(name)"] = .zeros([4, 32]) }
        }
        // A parameter of the model, of another shape.
        try refused("model.norm.weight") { $0["base_model.model.model.norm.weight"] = .zeros([31]) }
        try refused("adapter") { $0 = [:] }
    }

    @Test func damagedOrMissingFilesAreRefused() throws {
        let url = folder.url.appending(path: "adapter_model.safetensors")
        let bytes = try Data(contentsOf: url)
        for count in [0, 7, 8, 100, bytes.count / 2, bytes.count - 1] {
            try bytes.prefix(count).write(to: url)
            #expect(error().contains("adapter_model.safetensors"), "\(count) bytes")
        }
        try FileManager.default.removeItem(at: url)
        #expect(error().contains("adapter_model.safetensors"))
        try FileManager.default.removeItem(at: folder.url.appending(path: "adapter_config.json"))
        #expect(error().contains("adapter_config.json"))
    }

    /// A pickle that would run a program, and damaged ones.
    @Test func pickledProgramsAreRefused() throws {
        let url = folder.url.appending(path: "adapter_model.bin")
        try FileManager.default.removeItem(at: folder.url.appending(path: "adapter_model.safetensors"))
        try FileManager.default.copyItem(at: Fixtures.url("lora/malicious/adapter_model.bin"), to: url)
        #expect(error().contains("adapter_model.bin") && error().contains("system"), "\(error())")
        let bytes = try Fixtures.data("lora/bin/adapter_model.bin")
        for count in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
            try bytes.prefix(count).write(to: url)
            #expect(error().contains("adapter_model.bin"), "\(count) bytes")
        }
        try bytes.write(to: url)
        #expect(error() == "")
    }

    /// Made for another model.
    @Test func anotherModelIsRefused() throws {
        let other = try ModelFiles(directory: Fixtures.url("f2-plain-vector")).config()
        #expect(throws: IdeficsError.self) { try LoRAAdapter(directory: good, for: other) }
    }
}
