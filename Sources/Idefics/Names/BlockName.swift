// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A block of a model: the unit in which activations are checkpointed and parameters gathered.
public enum BlockName: Hashable, Sendable {
    /// A layer of the vision tower.
    case vision(Int)
    /// A block of the resampler.
    case resampler(Int)
    /// A gated cross-attention block.
    case gatedCrossAttention(Int)
    /// A layer of the language model.
    case layer(Int)
    /// What of a part lies in none of its blocks.
    case rest(ParameterName.Part)
}

extension BlockName: CustomStringConvertible {
    /// What the names of its parameters begin with, without the last dot.
    public var description: String {
        switch self {
        case .vision(let index): "\(ParameterName.Part.vision.prefix).encoder.layers.\(index)"
        case .resampler(let index): "\(ParameterName.Part.resampler.prefix).blocks.\(index)"
        case .gatedCrossAttention(let index): "\(ParameterName.Part.gatedCrossAttention.prefix).\(index)"
        case .layer(let index): "\(ParameterName.Part.layers.prefix).\(index)"
        case .rest(let part): part.prefix
        }
    }
}
