// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A sum of gradients of one tensor, taken over by reference where it has one term.
struct GradientSum {
    private var value: Tensor?

    /// The sum, in f32.
    var tensor: Tensor? { value }

    init(_ value: Tensor? = nil) {
        self.value = value
    }

    /// Adds a gradient.
    mutating func add(_ gradient: Tensor) {
        guard var sum = value.take() else {
            value = gradient
            return
        }
        precondition(sum.count == gradient.count, "gradients: \(gradient.shape) added to \(sum.shape)")
        gradient.training.accumulate(gradient, into: &sum, at: 0)
        value = sum
    }

    /// Adds a gradient of the rows from `row` on of a tensor of `shape`.
    mutating func add(_ gradient: Tensor, row: Int, shape: [Int]) {
        if gradient.count == shape.reduce(1, *) { return add(gradient) }
        var sum = value.take() ?? .zeros(shape, on: gradient.device)
        gradient.training.accumulate(gradient, into: &sum, at: row * shape.dropFirst().reduce(1, *))
        value = sum
    }

    /// Adds gradients of the rows `ids` of a tensor of `shape`, in order.
    mutating func add(_ gradient: Tensor, rows ids: [Int32], shape: [Int]) {
        var sum = value.take() ?? .zeros(shape, on: gradient.device)
        gradient.training.scatterAdd(gradient, into: &sum, rows: ids)
        value = sum
    }
}

/// Goes back through the graph from its newest step and collects the gradients of the leaves.
final class GradientWalk {
    /// Gradients of a step's results, complete when the walk arrives there.
    private struct Waiting {
        let node: GradientNode
        var sums: [GradientSum]
    }

    /// Steps that have gradients, the newest last.
    private var waiting: [Waiting] = []
    /// Sums of the leaves by number.
    private(set) var leaves: [UInt64: GradientSum]

    init(leaves: [UInt64: GradientSum]) {
        self.leaves = leaves
    }

    /// Adds to the gradient of a tensor, if one is wanted.
    func add(_ gradient: @autoclosure () -> Tensor, to target: GradientTarget) {
        guard let origin = target.origin else { return }
        let gradient = gradient()
        update(origin) { $0.add(gradient) }
    }

    /// Adds to the gradient of the rows from `row` on of a tensor, if one is wanted.
    func add(_ gradient: Tensor, to target: GradientTarget, row: Int) {
        guard let origin = target.origin else { return }
        update(origin) { $0.add(gradient, row: row, shape: target.shape) }
    }

    /// Adds to the gradients of the rows `ids` of a tensor, if one is wanted.
    func add(_ gradient: Tensor, to target: GradientTarget, rows ids: [Int32]) {
        guard let origin = target.origin else { return }
        update(origin) { $0.add(gradient, rows: ids, shape: target.shape) }
    }

    private func update(_ origin: GradientOrigin, _ change: (inout GradientSum) -> Void) {
        let node = origin.node
        if node.isLeaf {
            change(&leaves[node.id, default: GradientSum()])
            return
        }
        var place = waiting.endIndex
        while place > 0, waiting[place - 1].node.id > node.id { place -= 1 }
        if place == 0 || waiting[place - 1].node !== node {
            let sums = Array(repeating: GradientSum(), count: node.shapes.count)
            waiting.insert(Waiting(node: node, sums: sums), at: place)
            place += 1
        }
        change(&waiting[place - 1].sums[origin.index])
    }

    /// Runs until only leaves are left.
    func run() {
        while let last = waiting.popLast() {
            let backward = last.node.takeBackward()
            backward(zip(last.sums, last.node.shapes).map { sum, shape in sum.tensor?.reshaped(shape) }, self)
        }
    }
}
