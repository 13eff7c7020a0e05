// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsNN
import IdeficsTensor

/// Rounds the matrices of the decoder layer by layer, each with the inputs that the layers before it, rounded already,
/// give for a calibration text.
///
/// Two streams of activations go through the layers together: what the original model computes, and what the rounded one
/// does. Each matrix is rounded for the least squared difference of the rounded layer's output from the original's
/// (GPTQ, arXiv:2210.17323, with the target of GPTAQ, arXiv:2504.02692); where the output is added to the stream, that
/// of the stream, so that a layer also makes good what those before it lost. In memory are the streams, four rows of
/// `hidden` for each token, and for one matrix at a time Σ x xᵀ and its factorization.
struct CalibratedDecoder {
    private let model: IdeficsModel
    private let format: (_ name: String) -> QuantizedTensor.Format?
    /// What an earlier run has rounded.
    private let known: (_ name: String, _ shape: [Int]) throws -> QuantizedTensor?
    private var wanted: [Tensor]
    private var found: [Tensor]

    /// A decoder before its first layer.
    ///
    /// - Parameters:
    ///   - model: with dense weights.
    ///   - windows: pieces of the calibration text.
    ///   - format: how a matrix is to be stored; nil to leave it.
    ///   - known: matrices that need not be rounded again.
    init(
        _ model: IdeficsModel,
        windows: [[Int]],
        format: @escaping (_ name: String) -> QuantizedTensor.Format?,
        known: @escaping (_ name: String, _ shape: [Int]) throws -> QuantizedTensor?
    ) {
        self.model = model
        self.format = format
        self.known = known
        wanted = windows.map { model.decoder.embedTokens($0) }
        found = wanted
    }

    /// Rounds the matrices of the block `name`, whose turn it must be, and moves the streams past it.
    ///
    /// Without images only the network of a gated block does something, and only when its gate is open; everything else of
    /// it is not rounded here.
    mutating func round(_ name: BlockName) throws -> [String: QuantizedTensor] {
        switch model.decoder.blocks.first(where: { $0.name == name }) {
        case .gatedCrossAttention(_, _, let block):
            guard block.isDenseGateOpen else { return [:] }
            return try network(
                block.mlp,
                norm: block.postAttentionLayerNorm,
                gate: block.denseGate,
                name: "\(name).mlp"
            )
        case .layer(_, let layer):
            var rounded = try attention(layer, name: "\(name).self_attn")
            let network = try network(layer.mlp, norm: layer.postAttentionLayerNorm, gate: nil, name: "\(name).mlp")
            rounded.merge(network) { _, new in new }
            return rounded
        case nil: return [:]
        }
    }

    // MARK: - Attention

    private mutating func attention(_ layer: DecoderLayer, name: String) throws -> [String: QuantizedTensor] {
        let projections = [layer.qProj, layer.kProj, layer.vProj]
        var wantedContexts: [Tensor] = []
        let qkv = try round(zip(["q_proj", "k_proj", "v_proj"], projections).map { ("\(name).\($0)", $1) }) { window in
            let input = layer.inputLayerNorm(found[window])
            let outputs = linear(layer.inputLayerNorm(wanted[window]), projections.map { $0.product() })
            wantedContexts.append(context(outputs, layer))
            return (input, outputs)
        }
        // Not rounded at all: the original's keys and queries are still needed.
        if wantedContexts.isEmpty {
            wantedContexts = wanted.map {
                context(linear(layer.inputLayerNorm($0), projections.map { $0.product() }), layer)
            }
        }
        let contexts = found.map { context(linear(layer.inputLayerNorm($0), qkv.map { $0.1.product() }), layer) }
        for window in wanted.indices {
            wanted[window] = layer.oProj(wantedContexts[window], residual: wanted[window])
        }
        let o = try round([("\(name).o_proj", layer.oProj)]) { window in
            (contexts[window], [wanted[window].minus(found[window])])
        }
        for window in found.indices { found[window] = o[0].1(contexts[window], residual: found[window]) }
        return (qkv + o).quantized
    }

    /// The attention of one window, from queries, keys and values that are not rotated yet.
    private func context(_ qkv: [Tensor], _ layer: DecoderLayer) -> Tensor {
        let rows = 0..<qkv[0].shape[0]
        return layer.context(qkv, positions: rows.map(Int32.init), rotary: model.decoder.rotary) { k, v in
            [AttentionSegment(wholeSequence: rows, k: k, v: v)]
        }
    }

    // MARK: - Network

    private mutating func network(
        _ mlp: SwiGLU,
        norm: RMSNorm,
        gate: Tensor?,
        name: String
    ) throws -> [String: QuantizedTensor] {
        let entries = [mlp.gateProj, mlp.upProj]
        let first = try round([("\(name).gate_proj", mlp.gateProj), ("\(name).up_proj", mlp.upProj)]) { window in
            (norm(found[window]), linear(norm(wanted[window]), entries.map { $0.product() }))
        }
        func inner(_ hidden: Tensor, _ layers: [Linear]) -> Tensor {
            let parts = linear(norm(hidden), layers.map { $0.product() })
            return swiglu(gate: parts[0], up: parts[1])
        }
        let down = try round([("\(name).down_proj", mlp.downProj)]) { window in
            let input = inner(found[window], first.map(\.1))
            let original = inner(wanted[window], entries)
            if gate != nil { return (input, [mlp.downProj(original)]) }
            return (input, [mlp.downProj(original, residual: wanted[window]).minus(found[window])])
        }
        for window in found.indices {
            let original = inner(wanted[window], entries)
            wanted[window] = mlp.downProj(original, scale: gate, residual: wanted[window])
            let input = inner(found[window], first.map(\.1))
            found[window] = down[0].1(input, scale: gate, residual: found[window])
        }
        return (first + down).quantized
    }

    // MARK: - Rounding

    /// Rounds layers that have one input.
    ///
    /// - Parameters:
    ///   - layers: names, without `.weight`, and layers.
    ///   - pass: of a window, the input of the rounded model and the outputs wanted of the layers.
    /// - Returns: the layers as they are now, in the same order.
    /// - Throws: what reading matrices of an earlier run throws, and `CancellationError`.
    private func round(
        _ layers: [(String, Linear)],
        _ pass: (_ window: Int) -> (input: Tensor, wanted: [Tensor])
    ) throws -> [(String, Linear)] {
        var result = layers
        var open: [Int] = []
        for (index, (name, layer)) in layers.enumerated() {
            let weight = "\(name).weight"
            guard let format = format(weight), case .dense(let values) = layer.weight else { continue }
            if let quantized = try known(weight, values.shape) {
                result[index].1 = layer.rounded(quantized)
            } else if format == .nf4 {
                result[index].1 = layer.rounded(QuantizedTensor(values, format: format))
            } else {
                open.append(index)
            }
        }
        guard !open.isEmpty else { return result }
        let width = layers[0].1.weight.shape[1]
        var products = OuterProduct(width, width)
        var drifts = layers.map { OuterProduct($0.1.weight.shape[0], width) }
        for window in found.indices {
            try Task.checkCancellation()
            let (input, wanted) = pass(window)
            products.add(input, input)
            let outputs = linear(input, open.map { layers[$0].1.product() })
            for (index, output) in zip(open, outputs) { drifts[index].add(wanted[index].minus(output), input) }
        }
        let statistics = InputStatistics(consume products, damping: Calibration.damping)
        for index in open {
            guard case .dense(let values) = layers[index].1.weight, let format = format("\(layers[index].0).weight")
            else { continue }
            // Inputs that are no numbers say nothing; what the weights are to blame for is found when they are compared.
            let quantized =
                statistics?.rounded(values, format: format, drift: drifts[index], sweeps: Calibration.sweeps)
                ?? QuantizedTensor(values, format: format)
            result[index].1 = layers[index].1.rounded(quantized)
        }
        return result
    }
}

extension Linear {
    /// The layer with another weight, multiplied as it will be when the model is used.
    fileprivate func rounded(_ weight: QuantizedTensor) -> Linear {
        Linear(weight: .quantized(weight, isExact: false), bias: bias)
    }
}

extension [(String, Linear)] {
    /// The weights that are quantized, by name.
    fileprivate var quantized: [String: QuantizedTensor] {
        var result: [String: QuantizedTensor] = [:]
        for (name, layer) in self {
            if case .quantized(let tensor, _) = layer.weight { result["\(name).weight"] = tensor }
        }
        return result
    }
}
