// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Idefics
import IdeficsCheckpoints

/// Operations that products of a model's weights take in a step of training; a multiply-add counts two.
///
/// A token goes through every matrix of the decoder but the gated blocks' keys and values, which an image's tokens go
/// through as they do through the resampler, and its positions through the vision tower. Forward 2 operations a weight,
/// back 2 for the gradient of the input where something trained lies before it, and 2 for that of each weight that is
/// trained. Attention scores, norms, the adapters' own products and what checkpointing computes again are not counted, so
/// the utilisation is what useful products make of the peak.
package struct ModelFlops: Sendable, Equatable {
    /// Operations for each token.
    package let perToken: Double
    /// Operations for each image.
    package let perImage: Double

    /// Operations of a model of which `trained` is trained.
    package init(_ config: IdeficsConfig, trained: [TrainableParameter]) {
        // Adapters and modules trained in full beside them have PEFT's names.
        let names = Set(trained.map { String($0.name.trimmingPrefix(LoRAAdapter.prefix)) })
        let first = names.map { Self.place(of: $0, config) }.min() ?? .max
        var (token, image) = (0.0, 0.0)
        for parameter in IdeficsModel.parameters(of: config) where parameter.shape.count >= 2 {
            // Tables are looked up, not multiplied; a tied head is multiplied.
            let isEmbedding = parameter.name.hasPrefix("model.embed_tokens.")
            guard !isEmbedding || config.tieWordEmbeddings, !parameter.name.contains("position_embedding") else {
                continue
            }
            let place = isEmbedding ? .max : Self.place(of: parameter.name, config)
            let passes = 1 + (place >= first ? 1 : 0) + (names.contains(parameter.name) ? 1 : 0)
            let operations = Double(2 * passes * parameter.shape.reduce(1, *))
            switch parameter.name {
            case let name where name.hasPrefix("model.vision_model."):
                image += operations * Double(config.visionConfig.numPositions)
            case let name where name.hasPrefix("model.perceiver_resampler."),
                let name where name.contains(".cross_attn.k_proj.") || name.contains(".cross_attn.v_proj."):
                image += operations * Double(config.imageTokens)
            default:
                token += operations
            }
        }
        (perToken, perImage) = (token, image)
    }

    /// Where a parameter lies on the way to the loss: what is trained before it needs the gradient of its input.
    private static func place(of name: String, _ config: IdeficsConfig) -> Int {
        let parts = name.split(separator: ".")
        let index = parts.firstIndex { Int($0) != nil }.flatMap { Int(parts[$0]) } ?? 0
        let (resampler, decoder, head) = (1 << 20, 2 << 20, 3 << 20)
        if name.hasPrefix("model.vision_model.") {
            return name.contains(".layers.") ? index + 1 : name.contains("post_layernorm") ? resampler - 1 : 0
        }
        if name.hasPrefix("model.perceiver_resampler.") { return resampler + index }
        if name.hasPrefix("model.embed_tokens.") { return decoder - 1 }
        if name.hasPrefix("model.gated_cross_attn_layers.") { return decoder + 2 * index * config.crossLayerInterval }
        if name.hasPrefix("model.layers.") { return decoder + 2 * index + 1 }
        return head
    }
}
