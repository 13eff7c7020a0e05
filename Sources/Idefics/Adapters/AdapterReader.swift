// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsTensor

/// Takes an adapter's file apart and checks that every tensor is one that the model and the configuration expect.
struct AdapterReader {
    let source: any TensorSource
    private(set) var config: LoRAConfig
    let architecture: IdeficsConfig
    private(set) var layers: [String: LoRAAdapter.Layer] = [:]
    private(set) var saved: [String: Tensor] = [:]
    /// Names in the file by those in the model, with what PEFT puts after the names of layers.
    private var keys: [String: String] = [:]

    init(source: any TensorSource, config: LoRAConfig, architecture: IdeficsConfig) {
        self.source = source
        self.config = config
        self.architecture = architecture
    }

    mutating func read() throws {
        keys = try AdapterNames(source.tensorNames).keys
        let shapes = Dictionary(LoRATargets.layers(of: architecture).map { ($0.path, $0.shape) }) { first, _ in first }
        var updated: Set<String> = []
        var parameters: [String] = []
        for (name, key) in keys.sorted(by: { $0.key < $1.key }) {
            if name.hasSuffix(LoRAAdapter.aSuffix) || name.hasSuffix(LoRAAdapter.bSuffix) {
                let path = String(name.dropLast(LoRAAdapter.aSuffix.count))
                guard shapes[path] != nil else {
                    throw ConfigProblem(key, "the model has no layer of this name that can have an adapter")
                }
                updated.insert(path)
            } else if name.contains(".lora_") {
                throw ConfigProblem(key, "tensors of this kind are not supported (DoRA, embeddings, biases)")
            } else {
                parameters.append(name)
            }
        }
        for path in updated.sorted() { layers[path] = try layer(path, shape: shapes[path] ?? []) }
        let expected = parameters.isEmpty ? [] : IdeficsModel.parameters(of: architecture)
        for name in parameters {
            guard let shape = expected.first(where: { $0.name == name })?.shape else {
                throw ConfigProblem(key(name), "the model has no parameter of this name")
            }
            guard !updated.contains(where: { name.hasPrefix("\($0).") }) else {
                throw ConfigProblem(key(name), "is of a layer that also has an adapter")
            }
            saved[name] = try tensor(name, shape)
        }
        guard !layers.isEmpty || !saved.isEmpty else { throw ConfigProblem("", "holds no adapter") }
        if config.targetModules == .names([]) { config.targetModules = .names(layers.keys.sorted()) }
    }

    /// What the file calls `name`, or would.
    private func key(_ name: String) -> String { keys[name] ?? LoRAAdapter.prefix + name }

    private func layer(_ path: String, shape: [Int]) throws -> LoRAAdapter.Layer {
        let key = LoRAAdapter.prefix + path
        if case .names(let names) = config.targetModules, !names.isEmpty,
            !names.contains(where: { LoRAConfig.isName($0, of: path) })
        {
            throw ConfigProblem(key, "is not among the target_modules of \(LoRAAdapter.configName)")
        }
        if case .names(let names) = config.excludeModules, names.contains(where: { LoRAConfig.isName($0, of: path) }) {
            throw ConfigProblem(key, "is among the exclude_modules of \(LoRAAdapter.configName)")
        }
        let rank = config.rank(of: path)
        return LoRAAdapter.Layer(
            a: try tensor(path + LoRAAdapter.aSuffix, [rank, shape[1]]),
            b: try tensor(path + LoRAAdapter.bSuffix, [shape[0], rank])
        )
    }

    private func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
        let key = key(name)
        guard let metadata = source.metadata(named: key) else { throw ConfigProblem(key, "is missing") }
        guard metadata.shape == shape else {
            throw ConfigProblem(key, "\(metadata.shape) where model and configuration have \(shape)")
        }
        guard metadata.dtype.dtype?.isWeight == true else {
            throw ConfigProblem(key, "\(metadata.dtype.rawValue): only F32, BF16 and F16 are supported")
        }
        return try source.tensor(named: key)
    }
}

/// The names of an adapter's tensors in the model, whatever wrote the file.
///
/// PEFT writes `base_model.model.LAYER.lora_A.weight`. Files saved past it have no prefix, or those of what the model was
/// wrapped in, and the adapter's own name (`lora_A.default.weight`, `modules_to_save.default.weight`).
private struct AdapterNames {
    /// Names in the file by names in the model; the model's own copies of what was trained in full are not there.
    private(set) var keys: [String: String] = [:]

    /// Components that wrappers of modules add anywhere in a name.
    private static let wrappers: Set<Substring> = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]
    private static let factors: Set<Substring> = ["lora_A", "lora_B"]

    init(_ names: [String]) throws {
        var adapters: Set<Substring> = []
        for key in names {
            var parts = key.split(separator: ".", omittingEmptySubsequences: false)
            parts.removeAll(where: Self.wrappers.contains)
            if parts.first == "module" { parts.removeFirst() }
            if parts.starts(with: ["base_model", "model"]) { parts.removeFirst(2) }
            if parts.contains("original_module") { continue }
            if parts.count > 2, Self.factors.contains(parts[parts.count - 3]) {
                adapters.insert(parts.remove(at: parts.count - 2))
            }
            if let index = parts.firstIndex(of: "modules_to_save") {
                parts.remove(at: index)
                if index < parts.count - 1, parts[index] == "default" || adapters.contains(parts[index]) {
                    adapters.insert(parts.remove(at: index))
                }
            }
            let name = parts.joined(separator: ".")
            if adapters.count > 1 || keys[name] != nil {
                let other = keys[name] ?? adapters.sorted().joined(separator: ", ")
                throw ConfigProblem(key, "is of another adapter than \(other); one file can hold only one here")
            }
            keys[name] = key
        }
    }
}
