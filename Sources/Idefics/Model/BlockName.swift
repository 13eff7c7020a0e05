// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A block of a model: the unit in which activations are checkpointed and parameters gathered.
enum BlockName: Hashable, Sendable, CustomStringConvertible {
    /// A layer of the vision tower.
    case vision(Int)
    /// A block of the resampler.
    case resampler(Int)
    /// A gated cross-attention block.
    case gatedCrossAttention(Int)
    /// A layer of the language model.
    case layer(Int)

    /// The prefix of its parameters in a checkpoint, without the last dot.
    var description: String {
        switch self {
        case .vision(let index): "model.vision_model.encoder.layers.\(index)"
        case .resampler(let index): "model.perceiver_resampler.blocks.\(index)"
        case .gatedCrossAttention(let index): "model.gated_cross_attn_layers.\(index)"
        case .layer(let index): "model.layers.\(index)"
        }
    }

    /// The block that the parameter `name` of a checkpoint belongs to; nil for what is in no block.
    init?(parameter name: String) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count > 3, parts[0] == "model" else { return nil }
        switch parts[1] {
        case "layers":
            guard let index = Int(parts[2]) else { return nil }
            self = .layer(index)
        case "gated_cross_attn_layers":
            guard let index = Int(parts[2]) else { return nil }
            self = .gatedCrossAttention(index)
        case "perceiver_resampler":
            guard parts[2] == "blocks", let index = Int(parts[3]) else { return nil }
            self = .resampler(index)
        case "vision_model":
            guard parts.count > 5, parts[2] == "encoder", parts[3] == "layers", let index = Int(parts[4]) else {
                return nil
            }
            self = .vision(index)
        default: return nil
        }
    }
}
