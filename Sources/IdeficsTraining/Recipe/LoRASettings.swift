// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Idefics
import IdeficsFoundation

/// Trains adapters instead of the model's own parameters; the section `lora` of a recipe: the settings of a `LoRAConfig`,
/// with PEFT's names in camel case.
@dynamicMemberLookup
public struct LoRASettings: Sendable, Equatable, Codable {
    /// An adapter, directory or name on the hub, that is trained further; its own configuration then holds, and no other key
    /// of this section may be given.
    public var adapter: String?
    /// New adapters; PEFT's defaults, for queries, keys and values.
    public var config = LoRAConfig(targetModules: .names(["q_proj", "k_proj", "v_proj"]))

    /// New adapters, PEFT's defaults, for queries, keys and values.
    public init() {}

    /// A setting of the new adapters.
    public subscript<Value>(dynamicMember setting: WritableKeyPath<LoRAConfig, Value>) -> Value {
        get { config[keyPath: setting] }
        set { config[keyPath: setting] = newValue }
    }

    /// Reads a section of a recipe.
    public init(from decoder: any Decoder) throws {
        self.init()
        var reader = Reader(keys: try StrictKeys(decoder))
        try reader.keys.read("adapter", into: &adapter)
        try config.visit(&reader)
        try reader.keys.finish()
        guard adapter == nil || config == LoRASettings().config else {
            throw TrainingError.config(
                key: "lora.adapter",
                reason:
                    "an adapter that is trained further has its own configuration; give no other key of this section"
            )
        }
    }

    /// Writes a section of a recipe.
    public func encode(to encoder: any Encoder) throws {
        var writer = Writer(keys: encoder.container(keyedBy: JSONKey.self))
        var config = config
        try writer.keys.encodeIfPresent(adapter, forKey: JSONKey("adapter"))
        try config.visit(&writer)
    }

    /// What the adapter's file says.
    ///
    /// - Parameter model: the model's name, a note for people.
    /// - Returns: the configuration; values are checked when it meets a model.
    public func config(model: String) -> LoRAConfig {
        var config = config
        config.baseModelNameOrPath = model
        return config
    }
}

private struct Reader: LoRASettingsVisitor {
    var keys: StrictKeys

    mutating func visit<Value: Codable>(_ key: String, _ value: inout Value) throws {
        try keys.read(JSONKey(peft: key).stringValue, into: &value)
    }

    mutating func visit(_ key: String, _ modules: inout LoRAConfig.Modules?) throws {
        var choice: Choice?
        try keys.read(JSONKey(peft: key).stringValue, into: &choice)
        modules = choice?.modules ?? modules
    }

    /// Either a list of names or what a user writes.
    private struct Choice: Decodable {
        let modules: LoRAConfig.Modules

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let names = try? value.decode([String].self) {
                modules = .names(names)
            } else {
                modules = LoRAConfig.Modules(try value.decode(String.self))
            }
        }
    }
}

private struct Writer: LoRASettingsVisitor {
    var keys: KeyedEncodingContainer<JSONKey>

    mutating func visit<Value: Codable>(_ key: String, _ value: inout Value) throws {
        try keys.encode(value, forKey: JSONKey(peft: key))
    }

    mutating func visit(_ key: String, _ modules: inout LoRAConfig.Modules?) throws {
        try keys.encodeIfPresent(modules, forKey: JSONKey(peft: key))
    }
}

extension JSONKey {
    /// The recipe's key for a setting of PEFT: `lora_alpha` is `loraAlpha`.
    fileprivate init(peft name: String) {
        let words = name.split(separator: "_")
        self.init(
            words.prefix(1).joined() + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        )
    }
}
