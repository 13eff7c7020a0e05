// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsCheckpoints
public import IdeficsFoundation
public import IdeficsTensor

/// PEFT's files: `adapter_config.json`, and `adapter_model.safetensors` with `base_model.model.LAYER.lora_A.weight` and
/// `.lora_B.weight`, and `base_model.model.PARAMETER` for what was trained in full.
extension LoRAAdapter {
    static let configName = "adapter_config.json"
    private static let weightNames = ["adapter_model.safetensors", "adapter_model.bin"]
    /// All of them.
    static let fileNames = [configName] + weightNames
    /// What PEFT puts before the names of a model's modules.
    package static let prefix = "base_model.model."
    package static let aSuffix = ".lora_A.weight"
    package static let bSuffix = ".lora_B.weight"

    /// The adapter in `directory`, for a model of `architecture`; tensors are mapped.
    ///
    /// Which layers it has is what the tensors say.
    ///
    /// - Parameters:
    ///   - directory: As PEFT's `save_pretrained` writes it.
    ///   - architecture: The model's.
    /// - Throws: `IdeficsError.config` or `CheckpointError`, naming the file and the key or the tensor.
    public init(directory: URL, for architecture: IdeficsConfig) throws {
        let config = try LoRAConfig(contentsOf: directory.appending(path: Self.configName))
        let candidates = Self.weightNames.map { directory.appending(path: $0) }
        guard let url = candidates.first(where: { Files.exists($0) }) else {
            throw IdeficsError.model(path: directory.path, reason: "has no \(Self.weightNames[0])")
        }
        var reader = AdapterReader(source: try Checkpoint(file: url), config: config, architecture: architecture)
        do {
            try reader.read()
        } catch let problem as ConfigProblem {
            throw IdeficsError.config(file: url.path, key: problem.key, reason: problem.reason)
        }
        self.init(config: config, layers: reader.layers, savedParameters: reader.saved)
    }

    /// Tensors by their names in PEFT's file.
    public var tensors: [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (path, layer) in layers {
            result[Self.prefix + path + Self.aSuffix] = layer.a
            result[Self.prefix + path + Self.bSuffix] = layer.b
        }
        for (name, tensor) in savedParameters { result[Self.prefix + name] = tensor }
        return result
    }

    /// Writes PEFT's files.
    ///
    /// - Parameter staged: Receives them; the caller makes it appear.
    /// - Throws: `CheckpointError.unwritable`.
    public func write(to staged: StagedDirectory) throws {
        try SafetensorsWriter.write(
            tensors,
            metadata: ["format": "pt"],
            to: staged.url.appending(path: Self.weightNames[0])
        )
        try staged.write(config.json(), to: Self.configName)
    }

    /// Writes PEFT's files into a new directory, which appears whole.
    ///
    /// - Parameters:
    ///   - directory: Where it is to be.
    ///   - replacesExisting: Whether what is there may be replaced.
    /// - Throws: `CheckpointError.unwritable`.
    public func write(to directory: URL, replacesExisting: Bool = false) throws {
        let staged = try StagedDirectory(directory, replacesExisting: replacesExisting)
        try write(to: staged)
        try staged.commit()
    }
}

/// Takes an adapter's file apart and checks that every tensor is one that the model and the configuration expect.
private struct AdapterReader {
    let source: any TensorSource
    let config: LoRAConfig
    let architecture: IdeficsConfig
    private(set) var layers: [String: LoRAAdapter.Layer] = [:]
    private(set) var saved: [String: Tensor] = [:]
    /// The tensors' names in the file by those that PEFT's `save_pretrained` gives them.
    private var storedNames: [String: String] = [:]

    init(source: any TensorSource, config: LoRAConfig, architecture: IdeficsConfig) {
        self.source = source
        self.config = config
        self.architecture = architecture
    }

    mutating func read() throws {
        let shapes = Dictionary(LoRATargets.layers(of: architecture).map { ($0.path, $0.shape) }) { first, _ in first }
        var updated: Set<String> = []
        var parameters: [String] = []
        let keys = try source.tensorNames.map { try register($0) }
        for key in keys {
            guard key.hasPrefix(LoRAAdapter.prefix) else {
                throw ConfigProblem(key, "does not begin with \(LoRAAdapter.prefix)")
            }
            let name = String(key.dropFirst(LoRAAdapter.prefix.count))
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
                throw ConfigProblem(LoRAAdapter.prefix + name, "the model has no parameter of this name")
            }
            guard !updated.contains(where: { name.hasPrefix("\($0).") }) else {
                throw ConfigProblem(LoRAAdapter.prefix + name, "is of a layer that also has an adapter")
            }
            saved[name] = try tensor(LoRAAdapter.prefix + name, shape)
        }
        guard !layers.isEmpty || !saved.isEmpty else { throw ConfigProblem("", "holds no adapter") }
    }

    /// The name that `save_pretrained` gives the tensor `stored`.
    ///
    /// A state of the model written by other means (DeepSpeed, `torch.save`) has the adapter's name in it:
    /// `lora_A.default.weight`.
    private mutating func register(_ stored: String) throws -> String {
        var name = stored
        for part in [".lora_A.", ".lora_B."] {
            guard let range = stored.range(of: part, options: .backwards) else { continue }
            let rest = stored[range.upperBound...].split(separator: ".", omittingEmptySubsequences: false)
            if rest.count == 2, !rest[0].isEmpty, rest[1] == "weight" {
                name = String(stored[..<range.upperBound]) + "weight"
            }
        }
        if let other = storedNames.updateValue(stored, forKey: name) {
            throw ConfigProblem(stored, "is of another adapter than \(other); one file can hold only one here")
        }
        return name
    }

    private func layer(_ path: String, shape: [Int]) throws -> LoRAAdapter.Layer {
        let key = LoRAAdapter.prefix + path
        if case .names(let names) = config.targetModules, !names.contains(where: { LoRAConfig.isName($0, of: path) }) {
            throw ConfigProblem(key, "is not among the target_modules of \(LoRAAdapter.configName)")
        }
        if case .names(let names) = config.excludeModules, names.contains(where: { LoRAConfig.isName($0, of: path) }) {
            throw ConfigProblem(key, "is among the exclude_modules of \(LoRAAdapter.configName)")
        }
        let rank = config.rank(of: path)
        return LoRAAdapter.Layer(
            a: try tensor(key + LoRAAdapter.aSuffix, [rank, shape[1]]),
            b: try tensor(key + LoRAAdapter.bSuffix, [shape[0], rank])
        )
    }

    private func tensor(_ key: String, _ shape: [Int]) throws -> Tensor {
        guard let key = storedNames[key], let metadata = source.metadata(named: key) else {
            throw ConfigProblem(key, "is missing")
        }
        guard metadata.shape == shape else {
            throw ConfigProblem(key, "\(metadata.shape) where model and configuration have \(shape)")
        }
        guard metadata.dtype.dtype?.isWeight == true else {
            throw ConfigProblem(key, "\(metadata.dtype.rawValue): only F32, BF16 and F16 are supported")
        }
        return try source.tensor(named: key)
    }
}
