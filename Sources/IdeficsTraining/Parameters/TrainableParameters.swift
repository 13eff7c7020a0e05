// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Idefics
public import IdeficsFoundation
public import IdeficsTensor

/// What is trained of a model: all of it, some of its parameters, or adapters beside them.
///
/// An implementation says which tensors change, how a model is made of them and how the result is stored. It holds no
/// values that change: those are the trainer's, in f32 (`TrainingState`), so that every kind of training shares one
/// optimizer, one checkpoint and one way to resume.
public protocol TrainableParameters: Sendable {
    /// The architecture of the model that is trained.
    var config: IdeficsConfig { get }

    /// What is trained, sorted by name: the order of sums over all parameters, and so part of the result.
    var parameters: [TrainableParameter] { get }

    /// The value of each parameter before the first step, f32, in the order of `parameters`.
    ///
    /// - Parameter seed: for those that begin at random.
    /// - Returns: the values.
    /// - Throws: what reading the checkpoint throws.
    func initialValues(seed: UInt64) throws -> [Tensor]

    /// The model of today's values.
    ///
    /// - Parameters:
    ///   - values: by name; results of `trainable()` where gradients are wanted.
    ///   - pass: what the model is for.
    /// - Returns: a model that shares their memory.
    /// - Throws: what reading the frozen part throws.
    func model(_ values: [String: Tensor], pass: ParameterPass) throws -> IdeficsModel

    /// Writes what has been learned, for use without the trainer: a whole model, or an adapter with its configuration.
    ///
    /// - Parameters:
    ///   - values: by name, f32.
    ///   - directory: receives the files; the caller makes it appear.
    /// - Throws: `CheckpointError`.
    func export(_ values: [String: Tensor], to directory: StagedDirectory) throws
}

/// One tensor that is trained.
public struct TrainableParameter: Sendable, Equatable {
    /// Its name: that in the checkpoint, or that of the adapter's file.
    public let name: String
    /// Sizes of the axes.
    public let shape: [Int]

    /// A tensor of `shape`.
    public init(name: String, shape: [Int]) {
        self.name = name
        self.shape = shape
    }

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }
}

/// What a model of trained parameters is made for.
public enum ParameterPass: Sendable, Equatable {
    /// Evaluation, generation: no dropout.
    case inference
    /// A micro-batch of training; what is random in it (dropout of an adapter) depends on `seed` and `step` alone.
    case training(seed: UInt64, step: UInt64)
}
