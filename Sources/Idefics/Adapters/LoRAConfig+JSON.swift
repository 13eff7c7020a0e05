// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

/// `adapter_config.json` of PEFT.
///
/// What would change the result and is not supported is refused by name, and so is every key that this version does not
/// know, unless its value says that nothing is wanted (null, false, empty, no finite number).
extension LoRAConfig: Decodable {
    /// Reads and checks the `adapter_config.json` at `url`.
    ///
    /// - Throws: `IdeficsError.config` naming the file and the key.
    public init(contentsOf url: URL) throws {
        // What is read is checked, and a key that nobody knows may hold Python's NaN.
        self = try decodeJSON(LoRAConfig.self, from: url, allowsNonFinite: true)
    }

    /// Keys that say how an adapter began, was trained or is to be stored, not what it computes.
    private static let notes: Set<String> = [
        "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "inference_mode", "layers_pattern",
        "layers_to_transform", "loftq_config", "lora_ga_config", "megatron_core", "merge_weights", "peft_version",
        "qalora_group_size", "revision", "runtime_config", "task_type",
        // Means layers that keep their weights transposed, of which IDEFICS has none; PEFT, too, then ignores it.
        "fan_in_fan_out",
    ]

    private static let understood = settingNames.union(["bias", "init_lora_weights", "peft_type"])

    /// Ways to begin that leave the base model as it is; others (PiSSA, OLoRA, LoftQ …) subtract from its weights.
    private static let initializations: Set<String> = ["gaussian", "eva", "orthogonal", "true", "false"]

    /// Reads and checks.
    public init(from decoder: any Decoder) throws {
        let json = try decoder.container(keyedBy: JSONKey.self)
        var type = "LORA"
        try json.read("peft_type", into: &type)
        guard type.uppercased() == "LORA" else {
            throw ConfigProblem("peft_type", "\"\(type)\": only \"LORA\" is supported")
        }
        // Not said in files for architectures that PEFT knows the layers of; the tensors say it, too.
        self.init(targetModules: .names([]))
        var reader = Reader(json: json)
        try visit(&reader)
        var base = ""
        try json.read("base_model_name_or_path", into: &base)
        baseModelNameOrPath = base.isEmpty ? nil : base
        var bias = "none"
        try json.read("bias", into: &bias)
        guard bias == "none" else {
            throw ConfigProblem("bias", "\"\(bias)\": adapters that train biases are not supported")
        }
        let start = try? json.decodeIfPresent(String.self, forKey: JSONKey("init_lora_weights"))
        guard Self.initializations.contains(start ?? "true") else {
            throw ConfigProblem(
                "init_lora_weights",
                "\"\(start ?? "")\" changed the weights of the base model, which is not supported; "
                    + "let PEFT save the adapter as a plain one (path_initial_model_for_weight_conversion)"
            )
        }
        for key in json.allKeys.map(\.stringValue).sorted()
        where !Self.notes.contains(key) && !Self.understood.contains(key) {
            guard try json.saysNothing(key) else {
                throw ConfigProblem(key, "is set and not supported: the result would be another")
            }
        }
        try validate()
    }

    /// As PEFT reads it.
    package func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(File(config: self))
    }

    private struct Reader: LoRASettingsVisitor {
        let json: KeyedDecodingContainer<JSONKey>

        func visit<Value: Codable>(_ key: String, _ value: inout Value) throws { try json.read(key, into: &value) }
        func visit(_ key: String, _ modules: inout Modules?) throws { modules = try json.modules(key) ?? modules }
    }

    private struct Writer: LoRASettingsVisitor {
        var json: KeyedEncodingContainer<JSONKey>

        mutating func visit<Value: Codable>(_ key: String, _ value: inout Value) throws {
            // PEFT has null for no modules.
            if let names = value as? [String], names.isEmpty { return try json.encodeNil(forKey: JSONKey(key)) }
            try json.encode(value, forKey: JSONKey(key))
        }

        mutating func visit(_ key: String, _ modules: inout Modules?) throws {
            try json.encode(modules, forKey: JSONKey(key))
        }
    }

    private struct File: Encodable {
        let config: LoRAConfig

        func encode(to encoder: any Encoder) throws {
            var json = encoder.container(keyedBy: JSONKey.self)
            try json.encode("LORA", forKey: JSONKey("peft_type"))
            var config = config
            var writer = Writer(json: json)
            try config.visit(&writer)
            json = writer.json
            try json.encode(config.baseModelNameOrPath, forKey: JSONKey("base_model_name_or_path"))
            try json.encode("none", forKey: JSONKey("bias"))
            try json.encode(true, forKey: JSONKey("init_lora_weights"))
            try json.encode(true, forKey: JSONKey("inference_mode"))
            for key in ["fan_in_fan_out", "use_dora"] { try json.encode(false, forKey: JSONKey(key)) }
        }
    }
}

extension LoRAConfig.Modules: Encodable {
    /// A list of names, or a text.
    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .names(let names): try value.encode(names)
        case .pattern(let pattern): try value.encode(pattern)
        case .allLinear: try value.encode(Self.allLinearName)
        }
    }
}

/// A choice of modules: a text, or a list of names.
private struct ModulesJSON: Decodable {
    let modules: LoRAConfig.Modules

    init(from decoder: any Decoder) throws {
        if let text = try decoder.textIfString() {
            modules = text == LoRAConfig.Modules.allLinearName ? .allLinear : .pattern(text)
        } else {
            modules = .names(try [String](from: decoder))
        }
    }
}

extension KeyedDecodingContainer<JSONKey> {
    /// A choice of modules; nil when absent or null.
    fileprivate func modules(_ key: String) throws -> LoRAConfig.Modules? {
        guard contains(JSONKey(key)), try !decodeNil(forKey: JSONKey(key)) else { return nil }
        return try decode(ModulesJSON.self, forKey: JSONKey(key)).modules
    }

    /// Whether the value of `key` is null, false, empty or not finite, which no setting is.
    fileprivate func saysNothing(_ key: String) throws -> Bool {
        let key = JSONKey(key)
        if try decodeNil(forKey: key) { return true }
        if let flag = try? decode(Bool.self, forKey: key) { return !flag }
        if let number = try? decode(Double.self, forKey: key) { return !number.isFinite }
        if let numbers = try? decode([Double].self, forKey: key) {
            return numbers.isEmpty || !numbers.allSatisfy(\.isFinite)
        }
        if let text = try? decode(String.self, forKey: key) { return text.isEmpty }
        if let object = try? nestedContainer(keyedBy: JSONKey.self, forKey: key) { return object.allKeys.isEmpty }
        if let list = try? nestedUnkeyedContainer(forKey: key) { return list.isAtEnd }
        return false
    }
}
