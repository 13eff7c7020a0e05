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
        guard let url = candidates.first(where: { FileManager.default.fileExists(atPath: $0.path) }) else {
            throw IdeficsError.model(path: directory.path, reason: "has no \(Self.weightNames[0])")
        }
        var reader = AdapterReader(source: try Checkpoint(file: url), config: config, architecture: architecture)
        try ConfigProblem.naming(url.path) { try reader.read() }
        self.init(config: reader.config, layers: reader.layers, savedParameters: reader.saved)
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
