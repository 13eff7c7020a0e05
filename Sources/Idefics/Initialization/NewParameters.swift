// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTensor

/// How the original training initialized what IDEFICS adds to its backbones (M4's `_init_weights`).
///
/// Linear layers are normal with variance 0.4 / width, those that end a residual branch's network with that divided by
/// twice the decoder's layers; latents and added tokens with variance 1 / width; norms are the identity; gates are
/// closed unless `alpha_initializer` says otherwise.
struct NewParameters: Sendable {
    let config: IdeficsConfig
    let seed: UInt64

    /// Whether the parameter `name` of an IDEFICS checkpoint comes from no backbone.
    static func contains(_ name: String) -> Bool {
        [.resampler, .gatedCrossAttention].contains(ParameterName(name).part) || name.contains(".additional_")
    }

    /// The parameter `name`, in f32.
    func parameter(_ name: String, shape: [Int]) -> Tensor {
        switch distribution(of: name, shape: shape) {
        case .constant(let value): constantTensor(value, shape: shape)
        case .normal(let std): normalTensor(shape, std: std, seed: seed, name: name)
        }
    }

    enum Distribution: Equatable {
        case constant(Float)
        case normal(std: Double)
    }

    func distribution(of name: String, shape: [Int]) -> Distribution {
        let isNorm = name.contains("norm.") || name.contains(".ln.")
        if isNorm { return .constant(name.hasSuffix(".weight") ? 1 : 0) }
        if name.contains(".alpha_") { return gate }
        if name.hasSuffix(".latents") || name.contains(".additional_") {
            return .normal(std: (1 / Double(shape.last ?? 1)).squareRoot())
        }
        let isResampler = ParameterName(name).part == .resampler
        let width = isResampler ? config.visionConfig.embedDim : shape.last ?? 1
        let endsBranch = name.hasSuffix(isResampler ? ".c_proj.weight" : ".down_proj.weight")
        let depth = endsBranch ? 2 * max(config.numHiddenLayers, 1) : 1
        return .normal(std: (0.4 / Double(width * depth)).squareRoot())
    }

    private var gate: Distribution {
        switch config.alphaInitializer {
        case "ones": .constant(1)
        case "zeros": .constant(0)
        default: .normal(std: Double(config.alphasInitializerRange))
        }
    }
}

private func constantTensor(_ value: Float, shape: [Int]) -> Tensor {
    Tensor(Array(repeating: value, count: shape.reduce(1, *)), shape: shape)
}

/// Normally distributed numbers, the same for the same seed and name, whatever else is drawn and on how many threads.
///
/// Each block of elements has a random stream of its own, numbered by the name's `stableHash` and the block.
func normalTensor(_ shape: [Int], std: Double, seed: UInt64, name: String) -> Tensor {
    let count = shape.reduce(1, *)
    let block = 1 << 16
    let nameHash = stableHash(name)
    return Tensor(uninitialized: shape, dtype: .f32) { pointer in
        // SAFETY: blocks are disjoint, and all are written before this returns.
        nonisolated(unsafe) let values = pointer.assumingMemoryBound(to: Float.self)
        DispatchQueue.concurrentPerform(iterations: (count + block - 1) / block) { index in
            var random = RandomStream(seed: seed, stream: nameHash &+ UInt64(index))
            let end = min(count, (index + 1) * block)
            for pair in stride(from: index * block, to: end, by: 2) {
                // Box and Muller: two independent normal numbers from two uniform ones.
                let radius = std * (-2 * log(1 - random.uniform())).squareRoot()
                let angle = 2 * Double.pi * random.uniform()
                values[pair] = Float(radius * cos(angle))
                if pair + 1 < end { values[pair + 1] = Float(radius * sin(angle)) }
            }
        }
    }
}
