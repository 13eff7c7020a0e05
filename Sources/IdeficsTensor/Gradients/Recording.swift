// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// How operations record themselves: each takes its result, which the backend computed, and adds the backward pass. What a
// step keeps is what its closure captures.

extension Tensor {
    /// `view` of the same elements in another shape.
    func recordReshape(_ view: Tensor) -> Tensor {
        let (target, shape) = (target, shape)
        return view.recorded(Precision(of: target), isKept: true) { gradient, walk in
            walk.add(gradient.reshaped(shape), to: target)
        }
    }

    /// `view` of the rows `range`.
    func recordRows(_ view: Tensor, _ range: Range<Int>) -> Tensor {
        let target = target
        return view.recorded(Precision(of: target), isKept: true) { gradient, walk in
            walk.add(gradient, to: target, row: range.lowerBound)
        }
    }
}

extension Weight {
    /// Where the gradient of this weight goes.
    var target: GradientTarget {
        if case .dense(let tensor) = self { tensor.target } else { GradientTarget(origin: nil, shape: shape) }
    }
}

// MARK: - Norms

func recordRMSNorm(_ y: Tensor, _ x: Tensor, weight: Tensor, eps: Float) -> Tensor {
    let (target, weightTarget) = (x.target, weight.target)
    let precision = Precision(of: target, weightTarget)
    let (kept, weight) = (KeptTensor(x, precision), weight.constant())
    return y.recorded(precision) { gradient, walk in
        let x = kept.value
        let wanted = NormGradient.Wanted(x: target.isWanted, weight: weightTarget.isWanted)
        let found = x.training.rmsNormGradient(gradient, x: x, weight: weight, eps: eps, wanted: wanted)
        if let found = found.x { walk.add(found, to: target) }
        if let found = found.weight { walk.add(found, to: weightTarget) }
    }
}

func recordLayerNorm(_ y: Tensor, _ x: Tensor, weight: Tensor, bias: Tensor?, eps: Float) -> Tensor {
    let (target, weightTarget, biasTarget) = (x.target, weight.target, bias?.target)
    let precision = Precision(of: target, weightTarget, biasTarget)
    let (kept, weight) = (KeptTensor(x, precision), weight.constant())
    return y.recorded(precision) { gradient, walk in
        let x = kept.value
        let wanted = NormGradient.Wanted(
            x: target.isWanted,
            weight: weightTarget.isWanted,
            bias: biasTarget?.isWanted ?? false
        )
        let found = x.training.layerNormGradient(gradient, x: x, weight: weight, eps: eps, wanted: wanted)
        if let found = found.x { walk.add(found, to: target) }
        if let found = found.weight { walk.add(found, to: weightTarget) }
        if let biasTarget, let found = found.bias { walk.add(found, to: biasTarget) }
    }
}

// MARK: - Attention

func recordAttention(_ output: Tensor, _ call: AttentionCall) -> Tensor {
    let target = call.q.target
    // Keys and values stay in the pages that segments share.
    let precision = Precision(of: target)
    let (q, result) = (KeptTensor(call.q, precision), KeptTensor(call.output, precision))
    var call = call
    (call.q, call.output) = (q.stored, result.stored)
    return output.recorded(precision) { [call] gradient, walk in
        var whole = call
        (whole.q, whole.output) = (q.value, result.value)
        let found = gradient.training.attentionGradient(gradient, whole)
        if let q = found.q { walk.add(q, to: target) }
        for page in found.pages {
            guard let targets = call.segments[page.segment].pages.targets[page.index] else { continue }
            walk.add(page.k, to: targets.k)
            walk.add(page.v, to: targets.v)
        }
    }
}

// MARK: - Elements

func recordRope(_ y: Tensor, _ x: Tensor, positions: [Int32], inverseFrequencies: Tensor, heads: Int) -> Tensor {
    let target = x.target
    return y.recorded(Precision(of: target)) { gradient, walk in
        // The transpose of a rotation is the rotation back.
        let back = positions.map { -$0 }
        walk.add(rope(gradient, positions: back, inverseFrequencies: inverseFrequencies, heads: heads), to: target)
    }
}

func recordSwiGLU(_ y: Tensor, gate: Tensor, up: Tensor) -> Tensor {
    let (gateTarget, upTarget) = (gate.target, up.target)
    let precision = Precision(of: gateTarget, upTarget)
    let (gate, up) = (KeptTensor(gate, precision), KeptTensor(up, precision))
    return y.recorded(precision) { gradient, walk in
        let found = gradient.training.swigluGradient(gradient, gate: gate.value, up: up.value)
        walk.add(found.gate, to: gateTarget)
        walk.add(found.up, to: upTarget)
    }
}

func recordAdd(_ y: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
    let (first, second) = (a.target, b.target)
    return y.recorded(Precision(of: first, second)) { gradient, walk in
        walk.add(gradient, to: first)
        walk.add(gradient, to: second)
    }
}

func recordTanh(_ y: Tensor, _ x: Tensor) -> Tensor {
    let target = x.target
    return y.recorded(Precision(of: target), isKept: true) { gradient, walk in
        walk.add(y.training.tanhGradient(gradient, y: y), to: target)
    }
}

func recordDropout(_ y: Tensor, _ x: Tensor, probability: Double, seed: UInt64, offset: UInt64) -> Tensor {
    let target = x.target
    return y.recorded(Precision(of: target)) { gradient, walk in
        walk.add(gradient.training.dropout(gradient, probability: probability, seed: seed, offset: offset), to: target)
    }
}

// MARK: - Rows

func recordEmbedding(_ y: Tensor, _ table: Weight, ids: [Int32]) -> Tensor {
    let target = table.target
    return y.recorded(Precision(of: target)) { gradient, walk in walk.add(gradient, to: target, rows: ids) }
}

func recordCast(_ y: Tensor, _ x: Tensor) -> Tensor {
    let target = x.target
    return y.recorded(Precision(of: target), isKept: true) { gradient, walk in walk.add(gradient, to: target) }
}

func recordConcatenate(_ y: Tensor, _ parts: [Tensor]) -> Tensor {
    let targets = parts.map(\.target)
    return y.recorded(Precision(of: targets)) { gradient, walk in
        var row = 0
        for target in targets {
            walk.add(gradient[row..<row + target.shape[0]], to: target)
            row += target.shape[0]
        }
    }
}

func recordConcatenateColumns(_ y: Tensor, _ parts: [Tensor]) -> Tensor {
    let targets = parts.map(\.target)
    return y.recorded(Precision(of: targets)) { gradient, walk in
        var column = 0
        for target in targets {
            let columns = column..<column + target.shape[1]
            walk.add(gradient.training.columns(gradient, columns), to: target)
            column = columns.upperBound
        }
    }
}

func recordGatherRows(_ y: Tensor, _ x: Tensor, _ indices: [Int]) -> Tensor {
    let target = x.target
    return y.recorded(Precision(of: target)) { gradient, walk in
        walk.add(gradient, to: target, rows: indices.map(Int32.init))
    }
}
