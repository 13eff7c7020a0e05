// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import Idefics
import IdeficsCheckpoints
public import IdeficsFoundation
public import IdeficsTensor

/// Parameters of the model itself are trained: all, or those that are not frozen.
///
/// The others stay as they lie in the checkpoint, quantized ones included.
public struct FullParameters: TrainableParameters {
    /// The architecture.
    public let config: IdeficsConfig
    /// What is trained.
    public let parameters: [TrainableParameter]
    private let directory: URL
    private let checkpoint: Checkpoint

    /// The parameters of the model in `directory` that its configuration and `patterns` leave unfrozen.
    ///
    /// - Throws: what reading the model throws; `TrainingError.parameters` when a pattern names nothing or something that
    ///   is stored quantized.
    public init(directory: URL, patterns: ParameterConfig = ParameterConfig()) throws {
        self.directory = directory
        let config = try ModelFiles(directory: directory).config()
        let checkpoint = try Checkpoint(directory: directory)
        let all = IdeficsModel.parameters(of: config)
        let shapes = Dictionary(all.map { ($0.name, $0.shape) }) { first, _ in first }
        let names = try FreezeRules(config, patterns).trained(of: all.map(\.name).uniqued())
        for name in names where checkpoint.metadata(named: name)?.dtype.dtype?.isWeight != true {
            // A name that is not there at all is reported with all others when the model is made.
            let isQuantized = QuantizedTensor.Format.allCases.contains {
                checkpoint.contains(Weights.codesName(name, $0))
            }
            guard isQuantized || checkpoint.contains(name) else { continue }
            throw TrainingError.parameters(
                reason: "\(name) is stored quantized and cannot be trained itself; freeze it, or train adapters"
            )
        }
        parameters = names.map { TrainableParameter(name: $0, shape: shapes[$0] ?? []) }
        self.config = config
        self.checkpoint = checkpoint
        _ = try model([:], pass: .inference)
    }

    /// The values in the checkpoint as f32: nothing is random here.
    public func initialValues(seed: UInt64) throws -> [Tensor] {
        // A map of its own: the pages of what is trained are not needed again, those of what is frozen stay untouched.
        let files = try Checkpoint(directory: directory)
        return try parameters.map { cast(try files.tensor(named: $0.name)) }
    }

    /// The model with `values` in the place of the checkpoint's.
    public func model(_ values: [String: Tensor], pass: ParameterPass) throws -> IdeficsModel {
        let weights = Weights(OverlaidTensors(checkpoint, replaced: values), isExact: true)
        let model = IdeficsModel(config, weights)
        try weights.finish()
        return model
    }

    /// The whole model as a directory in Hugging Face format: every tensor in the type it had, with the other files.
    public func export(_ values: [String: Tensor], to directory: StagedDirectory) throws {
        let staleKeys = Weights.staleKeys.map { GlobPattern($0) }
        let names = checkpoint.tensorNames.filter { name in
            !staleKeys.contains { $0.matches(name) }
                && !(config.tieWordEmbeddings && ParameterName(name).part == .head)
        }
        let entries = try names.map { name in
            guard let metadata = checkpoint.metadata(named: name), let dtype = metadata.dtype.dtype else {
                throw TrainingError.parameters(reason: "\(name) is of a type that cannot be written")
            }
            return CheckpointPlan.Entry(name, [.init(name: name, dtype: dtype, shape: metadata.shape)])
        }
        try CheckpointPlan(entries).write(to: directory.url) { [try values[$0] ?? checkpoint.tensor(named: $0)] }
        try ModelFiles(directory: self.directory).copyOtherFiles(to: directory)
    }
}

extension [String] {
    /// Each element once, in order.
    fileprivate func uniqued() -> [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
