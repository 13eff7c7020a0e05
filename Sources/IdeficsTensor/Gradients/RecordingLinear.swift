// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension LinearProduct {
    /// Whether a gradient can flow into any part of it.
    var isRecorded: Bool {
        weight.isRecorded || bias?.isRecorded == true || scale?.isRecorded == true || residual?.isRecorded == true
    }

    /// Whether what follows the product needs it as it is, to be differentiated.
    fileprivate var isSplit: Bool { activation != .none || scale?.isRecorded == true }
}

/// What the backward pass through a product needs: not the product's parts themselves where a gradient passes them by.
private struct ProductTargets {
    let weight: Weight
    let weightTarget: GradientTarget
    let bias: GradientTarget?
    let residual: GradientTarget?
    /// A constant factor of the product.
    let scale: Tensor?

    init(_ product: LinearProduct) {
        weight = product.weight.constant()
        weightTarget = product.weight.target
        bias = product.bias.flatMap { $0.isRecorded ? $0.target : nil }
        residual = product.residual.flatMap { $0.isRecorded ? $0.target : nil }
        scale = product.scale
    }
}

extension Weight {
    fileprivate func constant() -> Weight {
        if case .dense(let tensor) = self { .dense(tensor.constant()) } else { self }
    }
}

/// `linear` when something is recorded: one step for all products of the input, then steps for activations and factors
/// that need the product as it is.
func recordedLinear(_ x: Tensor, _ products: [LinearProduct], precision: Precision) -> [Tensor] {
    let cores = products.map { product in
        product.isSplit ? LinearProduct(product.weight, bias: product.bias) : product
    }
    var results = x.backend.linear(x, cores, precision: precision)
    let targets = cores.map(ProductTargets.init)
    let xTarget = x.target
    // x is kept only for the gradients of weights.
    let x = cores.contains { $0.weight.isRecorded } ? KeptTensor(x, precision).stored : nil
    let node = GradientNode(shapes: results.map(\.shape), precision: precision) { gradients, walk in
        linearBackward(gradients, targets, x: x, xTarget: xTarget, precision, walk)
    }
    for index in results.indices where xTarget.isWanted || cores[index].isRecorded {
        results[index].origin = GradientOrigin(node: node, index: index)
    }
    return zip(results, products).map { $1.isSplit ? $1.followed($0) : $0 }
}

private func linearBackward(
    _ gradients: [Tensor?],
    _ targets: [ProductTargets],
    x: Tensor?,
    xTarget: GradientTarget,
    _ precision: Precision,
    _ walk: GradientWalk
) {
    var inputs: [(gradient: Tensor, weight: Weight)] = []
    for (gradient, target) in zip(gradients, targets) {
        guard let gradient else { continue }
        if let residual = target.residual { walk.add(gradient, to: residual) }
        let needsProduct = xTarget.isWanted || target.weightTarget.isWanted || target.bias != nil
        guard needsProduct else { continue }
        let product = target.scale.map { gradient.training.scaled(gradient, by: $0, residual: nil) } ?? gradient
        if let bias = target.bias { walk.add(product.training.columnSums(product, times: nil), to: bias) }
        if let x, target.weightTarget.isWanted {
            walk.add(
                product.training.linearWeightGradient(product, x: x, precision: precision),
                to: target.weightTarget
            )
        }
        inputs.append((product, target.weight))
    }
    if xTarget.isWanted, let first = inputs.first {
        walk.add(first.gradient.training.linearInputGradient(inputs, precision: precision), to: xTarget)
    }
}

// MARK: - What follows a product

/// `activation(x)`.
public func activate(_ x: Tensor, _ activation: Activation) -> Tensor {
    guard activation != .none else { return x }
    let y = x.training.activate(x, activation)
    guard x.isRecorded else { return y }
    let target = x.target
    let precision = Precision(of: target)
    let kept = KeptTensor(x, precision)
    return y.recorded(precision) { gradient, walk in
        walk.add(gradient.training.activateGradient(gradient, x: kept.value, activation), to: target)
    }
}

/// `scale ⊙ x + residual`: `x` is `[rows, features]`, `scale` `[1]` or `[features]`, `residual` like `x`.
public func scaled(_ x: Tensor, by scale: Tensor, residual: Tensor? = nil) -> Tensor {
    let y = x.training.scaled(x, by: scale, residual: residual)
    guard x.isRecorded || scale.isRecorded || residual?.isRecorded == true else { return y }
    let (target, scaleTarget, residualTarget) = (x.target, scale.target, residual?.target)
    let precision = Precision(of: target, scaleTarget, residualTarget)
    let kept = scale.isRecorded ? KeptTensor(x, precision) : nil
    let scale = scale.constant()
    return y.recorded(precision) { gradient, walk in
        if let residualTarget { walk.add(gradient, to: residualTarget) }
        if let kept {
            let training = gradient.training
            walk.add(
                scale.count == 1
                    ? Tensor([Float(training.dot(gradient, kept.value))], shape: scale.shape).to(gradient.device)
                    : training.columnSums(gradient, times: kept.value).reshaped(scale.shape),
                to: scaleTarget
            )
        }
        walk.add(gradient.training.scaled(gradient, by: scale, residual: nil), to: target)
    }
}
