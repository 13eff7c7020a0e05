// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import Idefics
public import IdeficsFoundation
public import IdeficsTensor

/// Where the values of what is trained are, with their gradients and what the optimizer remembers of them.
///
/// The trainer asks for a block's values before the model uses them, hands back its gradients when those of a micro-batch
/// are complete, and never sees more: so a store may keep everything (``ReplicatedParameters``), or the share of one of
/// many machines. A store holds no other state: it and `TrainingState.Progress` are all that changes in a run.
public protocol ParameterStore: Sendable {
    /// What is trained, sorted by name: the order of sums over all parameters.
    var parameters: [TrainableParameter] { get }

    /// The values of a block's parameters by name, f32; they may be used until the block is released.
    func gather(_ block: BlockName) -> [String: Tensor]

    /// Ends the use of a block's values.
    func release(_ block: BlockName)

    /// Drops all gradients: a step begins.
    mutating func zeroGradients()

    /// Adds a micro-batch's gradients of a block.
    ///
    /// A micro-batch's gradient is complete before it is added, so that the sum ((g₀ + g₁) + g₂) + … is the same however
    /// micro-batches are spread over machines.
    ///
    /// - Parameters:
    ///   - gradients: by name, f32; none for parameters that the micro-batch's loss does not depend on.
    ///   - block: whose they are.
    mutating func add(_ gradients: [String: Tensor], of block: BlockName)

    /// The norm of the gradient over all parameters; the same on all machines.
    func gradientNorm() -> Double

    /// Updates all parameters by their gradients, which are dropped.
    ///
    /// A parameter that this step's loss does not depend on, such as those of the gated blocks where there is no image,
    /// has a gradient of zeros, as in torch: its moments decay, it goes on in the direction it had, and it is decayed.
    /// What no loss depends on stays as it is.
    mutating func step(_ step: OptimizerStep)

    // MARK: - Checkpoints

    /// Names of the files that `write` makes.
    var fileNames: [String] { get }

    /// Writes everything but gradients into the folder of a checkpoint.
    ///
    /// - Throws: what writing throws.
    func write(to directory: StagedDirectory) throws

    /// Takes the values of a checkpoint; when that fails, nothing has changed.
    ///
    /// - Throws: `TrainingError.run` naming the file and what does not fit; what reading throws.
    mutating func read(from directory: URL) throws
}

extension ParameterStore {
    /// The blocks, each once, in the order of their first parameters.
    public var blocks: [BlockName] {
        var seen: Set<BlockName> = []
        return parameters.map { ParameterName($0.name).block }.filter { seen.insert($0).inserted }
    }

    /// The values of all parameters by name.
    package var namedValues: [String: Tensor] {
        blocks.reduce(into: [:]) { values, block in values.merge(gather(block)) { $1 } }
    }
}
