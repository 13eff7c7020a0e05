// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import IdeficsCheckpoints
import IdeficsFoundation
public import IdeficsTensor

/// Makes a model and an adapter one model: `W + scaling · B · A`, computed in f32, stored as the model was.
///
/// Weights stream through one at a time, so that any model is merged in the memory of its largest matrix. A run that was
/// stopped goes on after the last shard it finished; the directory appears when it is complete.
public struct AdapterMerge: Sendable {
    private let source: ModelFiles
    private let config: IdeficsConfig
    private let checkpoint: Checkpoint
    private let adapter: LoRAAdapter
    private let adapterDirectory: URL
    private let dtype: DType?
    private let plan: CheckpointPlan<Weights.Parameter>

    /// Opens the model in `directory` and the adapter in `adapterDirectory` and checks that they fit each other.
    ///
    /// - Parameters:
    ///   - directory: A checkpoint.
    ///   - adapterDirectory: As PEFT writes it.
    ///   - dtype: f32, bf16 or f16 for all weights; nil for those of the checkpoint. A quantized model, whose codes cannot
    ///     hold what was learned, needs one and is stored dequantized.
    ///   - shardByteCount: A file of weights takes no more bytes, unless one matrix alone does.
    /// - Throws: What reading or checking the files throws; each names the file and the field.
    public init(
        directory: URL,
        adapter adapterDirectory: URL,
        dtype: DType? = nil,
        shardByteCount: Int = CheckpointWriter.defaultShardByteCount
    ) throws {
        source = ModelFiles(directory: directory)
        let config = try source.config()
        let checkpoint = try Checkpoint(directory: directory)
        adapter = try LoRAAdapter(directory: adapterDirectory, for: config)
        guard dtype?.isWeight != false else {
            throw IdeficsError.input(field: "dtype", reason: "weights are stored in f32, bf16 or f16")
        }
        _ = try source.model(config, adapter: adapter)
        let entries = try IdeficsModel.parameters(of: config).map { parameter in
            let stored = checkpoint.metadata(named: parameter.name)?.dtype.dtype
            guard let dtype = dtype ?? stored, dtype.isWeight else {
                throw IdeficsError.model(
                    path: directory.path,
                    reason:
                        "\(parameter.name) is quantized, and its codes cannot hold what an adapter adds; merge into the "
                        + "dense model and quantize that, or give a type (--dtype bfloat16) to store it dequantized"
                )
            }
            return CheckpointPlan.Entry(parameter, parameter.declarations(format: nil, dtype: dtype))
        }
        plan = CheckpointPlan(entries, shardByteCount: shardByteCount)
        self.config = config
        self.checkpoint = checkpoint
        self.adapterDirectory = adapterDirectory
        self.dtype = dtype
    }

    /// Bytes of the weights as they will be.
    public var byteCount: Int { plan.byteCount }

    /// Matrices that the adapter adds to.
    public var mergedCount: Int { adapter.layers.count }

    /// Parameters that were trained in full and replace the model's.
    public var replacedCount: Int { adapter.savedParameters.count }

    /// Writes the merged model.
    ///
    /// - Parameters:
    ///   - directory: Where it is to be.
    ///   - replacesExisting: Whether what is there may be replaced.
    ///   - progress: Hears how many bytes of `byteCount` are done.
    /// - Throws: `FileError` when something cannot be written, `CheckpointError` when it cannot be read; what was done is kept for the next run.
    public func write(
        to directory: URL,
        replacesExisting: Bool = false,
        progress: (_ byteCount: Int) -> Void = { _ in }
    ) throws {
        try source.checkOtherFiles()
        let staged = try StagedDirectory(
            directory,
            replacesExisting: replacesExisting,
            keeping: [source.directory, adapterDirectory],
            resuming: identity
        )
        try plan.write(to: staged.url, keepsFinishedShards: true, progress: progress) { [try merged($0)] }
        try source.copyOtherFiles(to: staged, withConfig: false)
        try staged.write(configuration(), to: "config.json")
        try staged.commit()
    }

    /// The values of a parameter with what was learned.
    private func merged(_ parameter: Weights.Parameter) throws -> Tensor {
        let name = parameter.name
        if let saved = adapter.savedParameters[name] { return saved }
        let weights = Weights(checkpoint)
        let values =
            parameter.isWeight
            ? weights.weight(name, shape: parameter.shape).values : weights.tensor(name, shape: parameter.shape)
        try weights.finish(ignoring: ["*"])
        let suffix = ".weight"
        guard name.hasSuffix(suffix), let update = adapter.update(of: String(name.dropLast(suffix.count))) else {
            return values
        }
        return update.merged(with: values)
    }

    /// The source's `config.json`, with the type the weights have now, and without what it says of quantization.
    private func configuration() throws -> Data {
        let url = source.directory.appending(path: "config.json")
        let data = try Files.readRegular(url, limit: configurationLimit)
        guard let dtype else { return data }
        return try Data(
            editedJSON(Array(data), file: url.path, removing: ["quantization_config"]) { keys in
                let name = keys.contains("dtype") ? "dtype" : "torch_dtype"
                return [(name, "\"\(dtype.torchName)\"")]
            }.utf8
        )
    }

    /// What decides the result: the files of both and the options.
    package var identity: String {
        let files =
            checkpoint.weightFileNames.map { source.directory.appending(path: $0) }
            + LoRAAdapter.fileNames.map { adapterDirectory.appending(path: $0) }
        let options = ["idefics merge 1", "\(plan.shardByteCount)", dtype?.rawValue ?? "as stored"]
        return (options + files.map(fileIdentity)).joined(separator: "\n")
    }
}
