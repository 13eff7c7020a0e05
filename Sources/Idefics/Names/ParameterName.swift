// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The name of a parameter in a checkpoint, taken apart: which part of the model it belongs to, which block, and what it is
/// there.
///
/// `model.layers.3.self_attn.q_proj.weight` is of the part `layers`, of block `layer(3)`, and in it
/// `self_attn.q_proj.weight`. Names of adapters, which have PEFT's prefix in front, are those of the weights they belong
/// to, with an ending of their own.
public struct ParameterName: Hashable, Sendable {
    /// A part of a model.
    public enum Part: String, Hashable, Sendable, CaseIterable {
        /// The vision tower.
        case vision
        /// The resampler.
        case resampler
        /// The embedding, added tokens included.
        case embedding
        /// Gated cross-attention blocks.
        case gatedCrossAttention
        /// Layers of the language model.
        case layers
        /// The final norm.
        case norm
        /// The head, added tokens included.
        case head
        /// Nothing that this model knows.
        case other

        /// What its parameters' names begin with, without the last dot; empty for `other`.
        public var prefix: String {
            switch self {
            case .vision: "model.vision_model"
            case .resampler: "model.perceiver_resampler"
            case .embedding: "model.embed_tokens"
            case .gatedCrossAttention: "model.gated_cross_attn_layers"
            case .layers: "model.layers"
            case .norm: "model.norm"
            case .head: "lm_head"
            case .other: ""
            }
        }
    }

    /// The part of the model.
    public let part: Part
    /// The block of the part.
    public let block: BlockName
    /// The rest of the name: what the parameter is in its block.
    public let role: String

    /// What PEFT puts before the names of a model's modules.
    private static let adapterPrefix = "base_model.model."

    /// The parts of the name `name`.
    public init(_ name: String) {
        let name = name.hasPrefix(Self.adapterPrefix) ? String(name.dropFirst(Self.adapterPrefix.count)) : name
        part = Part.allCases.first { !$0.prefix.isEmpty && name.hasPrefix("\($0.prefix).") } ?? .other
        let rest = part == .other ? name[...] : name.dropFirst(part.prefix.count + 1)
        let numbered: (path: String, block: (Int) -> BlockName)? =
            switch part {
            case .vision: ("encoder.layers.", BlockName.vision)
            case .resampler: ("blocks.", BlockName.resampler)
            case .gatedCrossAttention: ("", BlockName.gatedCrossAttention)
            case .layers: ("", BlockName.layer)
            case .embedding, .norm, .head, .other: nil
            }
        if let numbered, rest.hasPrefix(numbered.path) {
            let tail = rest.dropFirst(numbered.path.count)
            let digits = tail.prefix { ("0"..."9").contains($0) }
            // `03` is no number of a block: names are compared as text elsewhere.
            if let index = Int(digits), "\(index)" == digits, tail.dropFirst(digits.count).first == "." {
                block = numbered.block(index)
                role = String(tail.dropFirst(digits.count + 1))
                return
            }
        }
        block = .rest(part)
        role = String(rest)
    }
}
