// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

/// How the blocks of a model are run in a forward pass: inference, training and calibration differ in nothing else.
struct ForwardPass {
    /// Of the products of linear layers.
    var precision = Precision.f32
    /// Whether blocks that are trained keep only their input and are run again in the backward pass; see `checkpoint`.
    var isCheckpointing = false
    /// How keys and values of images and of tokens are stored.
    var keyValueType = KeyValueType.f32
    /// Of a training pass.
    var dropout: BranchDropout?
    /// Sees the activations.
    var observe: ActivationObserver?
    /// Is told before and after each block is run.
    var blocks: (any BlockHook)?

    /// Runs one block.
    ///
    /// - Parameters:
    ///   - name: the block's.
    ///   - body: what it computes; run again in the backward pass when the pass is checkpointing.
    /// - Returns: what `body` returns.
    func run(_ name: BlockName, _ body: @escaping () -> Tensor) -> Tensor {
        guard let blocks else { return checkpoint(when: isCheckpointing, body) }
        return checkpoint(when: isCheckpointing) {
            blocks.willRun(name)
            defer { blocks.didRun(name) }
            return body()
        }
    }
}

/// Something that is done around each block of a pass: gathering its parameters from other machines and releasing them,
/// reading them from disk, observing.
///
/// In a checkpointing pass a block is run a second time, in the backward pass, with the same calls around it.
protocol BlockHook {
    /// The block `name` is about to be run; all it reads must be there when this returns.
    func willRun(_ name: BlockName)

    /// The block `name` has been run.
    func didRun(_ name: BlockName)
}
