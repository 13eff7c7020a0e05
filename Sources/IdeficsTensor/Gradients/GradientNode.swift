// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// One recorded step: what computes the gradients of its inputs from those of its results.
///
/// Steps are numbered as they are made. A step uses only results of lower numbers, so a walk from the highest number
/// down meets every step after all that used it.
///
/// SAFETY: `@unchecked Sendable` holds because `backward` alone changes, under the lock of one walk: a graph is walked
/// by the one caller of `gradients(of:)` that holds its loss.
final class GradientNode: @unchecked Sendable {
    /// Gives the gradients of the inputs to the walk; the argument holds those of the results, nil for results that
    /// the loss does not depend on.
    typealias Backward = ([Tensor?], GradientWalk) -> Void

    private static let count = Atomic<UInt64>(0)

    let id: UInt64
    /// What the step does; nil for a leaf, and for a step that has been walked over.
    private var backward: Backward?
    /// Whether it is a parameter.
    let isLeaf: Bool
    /// Whether the step may be walked over again: it holds nothing of size, and a layer may have taken it when it was made
    /// (a parameter in another shape, a gate).
    private let isKept: Bool
    /// Shapes of the results.
    let shapes: [[Int]]
    /// Of the products of the pass, here and in what is computed from the results; see `KeptTensor`.
    let precision: Precision

    /// A leaf when `backward` is nil.
    init(shapes: [[Int]], precision: Precision, isKept: Bool = false, backward: Backward?) {
        id = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
        isLeaf = backward == nil
        self.isKept = isKept
        self.shapes = shapes
        self.precision = precision
        self.backward = backward
    }

    deinit {
        if backward != nil { StepBin.shared.drop(&backward) }
    }

    /// Takes the step away, and with it all that it holds, unless it is kept.
    func takeBackward() -> Backward {
        guard let backward else { preconditionFailure("gradients: this graph has been walked over already") }
        if !isKept { self.backward = nil }
        return backward
    }
}

/// Frees steps one after the other: a step holds those before it, and to free one inside the other would need as much
/// stack as the graph is long.
private final class StepBin: Sendable {
    static let shared = StepBin()

    private struct State {
        // SAFETY: a step in here belongs to the bin alone.
        nonisolated(unsafe) var steps: [GradientNode.Backward] = []
        var isEmptying = false
    }

    private let state = Mutex(State())

    /// Frees a step, now or by the caller that is just doing so; `step` is nil afterwards, or its owner would free it.
    func drop(_ step: inout GradientNode.Backward?) {
        let isFirst = add(&step)
        while isFirst, let last = next() { withExtendedLifetime(last) {} }
    }

    /// Takes a step; whether nobody is emptying the bin yet.
    private func add(_ step: inout GradientNode.Backward?) -> Bool {
        nonisolated(unsafe) let taken = step.take()
        return state.withLock { state in
            if let taken { state.steps.append(taken) }
            defer { state.isEmptying = true }
            return !state.isEmptying
        }
    }

    private func next() -> GradientNode.Backward? {
        nonisolated(unsafe) var last: GradientNode.Backward?
        state.withLock { state in
            last = state.steps.popLast()
            if last == nil { state.isEmptying = false }
        }
        return last
    }
}

/// The place of a tensor in the graph: a result of a step.
struct GradientOrigin: Sendable {
    let node: GradientNode
    let index: Int
}

/// Where a gradient goes: the tensor without its elements, so that a step keeps only what it needs.
struct GradientTarget: Sendable {
    /// Nil when no gradient is wanted.
    let origin: GradientOrigin?
    let shape: [Int]

    var isWanted: Bool { origin != nil }
}

extension Tensor {
    /// Where the gradient of this tensor goes.
    var target: GradientTarget { GradientTarget(origin: origin, shape: shape) }

    /// The same elements as a parameter: gradients of what is computed with it can be asked for.
    ///
    /// `f32`, or `bf16` or `f16` as stored; its gradients are f32.
    ///
    /// - Parameter precision: of the products of the pass; operations before the first product keep their inputs in it.
    /// - Returns: the parameter.
    public func trainable(precision: Precision = .f32) -> Tensor {
        precondition(dtype.isWeight, "trainable: \(dtype) \(shape) has no gradient")
        var leaf = self
        leaf.origin = GradientOrigin(node: GradientNode(shapes: [shape], precision: precision, backward: nil), index: 0)
        return leaf
    }

    /// The same elements without their history: no gradient flows into them.
    public func constant() -> Tensor {
        var copy = self
        copy.origin = nil
        return copy
    }

    /// Whether a gradient can flow into this tensor: it is a parameter or was computed from one.
    public var isRecorded: Bool { origin != nil }

    /// The tensor as the one result of a step.
    func recorded(
        _ precision: Precision,
        isKept: Bool = false,
        _ backward: @escaping (_ gradient: Tensor, _ walk: GradientWalk) -> Void
    ) -> Tensor {
        var result = self
        let node = GradientNode(shapes: [shape], precision: precision, isKept: isKept) { gradients, walk in
            if let gradient = gradients[0] { backward(gradient, walk) }
        }
        result.origin = GradientOrigin(node: node, index: 0)
        return result
    }
}

extension Weight {
    /// Whether a gradient can flow into this weight.
    public var isRecorded: Bool {
        if case .dense(let tensor) = self { tensor.isRecorded } else { false }
    }
}
