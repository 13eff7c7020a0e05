// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Gradients of parameters; see `gradients(of:seed:into:)`.
public struct Gradients: Sendable {
    var sums: [UInt64: GradientSum]

    /// No gradients yet.
    public init() {
        sums = [:]
    }

    /// The gradient of `leaf`, a result of `trainable()`, in f32 and of its shape; nil when no loss depended on it.
    public subscript(_ leaf: Tensor) -> Tensor? {
        guard let node = leaf.origin?.node, node.isLeaf else { return nil }
        return sums[node.id]?.tensor?.reshaped(leaf.shape)
    }

    /// As the subscript, but the gradient is not kept: its memory is free when the caller is done with it.
    public mutating func take(_ leaf: Tensor) -> Tensor? {
        guard let node = leaf.origin?.node, node.isLeaf else { return nil }
        return sums.removeValue(forKey: node.id)?.tensor?.reshaped(leaf.shape)
    }
}

/// The gradients of all parameters that `loss` depends on.
///
/// The steps are gone afterwards: a loss is walked back from once.
///
/// - Parameters:
///   - loss: What is differentiated; of one element, unless a seed is given.
///   - seed: The gradient of `loss`, of its shape; 1 without.
///   - earlier: Gradients to add to (of other losses of the same parameters).
/// - Returns: The gradients, summed in an order that depends on the program alone.
public func gradients(
    of loss: Tensor,
    seed: Tensor? = nil,
    into earlier: consuming Gradients = Gradients()
) -> Gradients {
    precondition(seed != nil || loss.count == 1, "gradients: \(loss.shape) has no single value; give a seed")
    precondition(
        seed.map { $0.dtype == .f32 && $0.shape == loss.shape } ?? true,
        "gradients: a seed for \(loss.shape) has its shape and is f32"
    )
    let walk = GradientWalk(leaves: earlier.sums)
    earlier = Gradients()
    walk.add(seed ?? Tensor([Float(1)], shape: loss.shape), to: loss.target)
    walk.run()
    var result = Gradients()
    result.sums = walk.leaves
    return result
}

/// Runs `body` without keeping what it computes on the way: its steps are recorded again when a gradient arrives.
///
/// `body` is run twice and must do the same both times; it keeps what it captures. The gradients are those without
/// checkpoint, bit for bit: the steps of the second run come in the same order. Where nothing is recorded, or `isWanted`
/// is false, `body` just runs, once.
public func checkpoint(when isWanted: Bool = true, _ body: @escaping () -> Tensor) -> Tensor {
    let result = body()
    guard isWanted, result.isRecorded else { return result }
    return result.constant().recorded(Precision(of: result.target)) { gradient, walk in
        // What is computed a second time is no progress.
        walk.add(gradient, to: OperationCount.pausing(body).target)
    }
}
