// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsCheckpoints
import IdeficsTestSupport
import Testing

@Suite struct ParameterNameTests {
    private static let names: [(name: String, part: ParameterName.Part, block: BlockName, role: String)] = [
        ("model.layers.3.self_attn.q_proj.weight", .layers, .layer(3), "self_attn.q_proj.weight"),
        ("model.gated_cross_attn_layers.12.alpha_dense", .gatedCrossAttention, .gatedCrossAttention(12), "alpha_dense"),
        (
            "model.perceiver_resampler.blocks.1.0.context_layer_norm.bias", .resampler, .resampler(1),
            "0.context_layer_norm.bias"
        ),
        ("model.perceiver_resampler.latents", .resampler, .rest(.resampler), "latents"),
        ("model.vision_model.encoder.layers.0.mlp.fc1.bias", .vision, .vision(0), "mlp.fc1.bias"),
        ("model.vision_model.embeddings.class_embedding", .vision, .rest(.vision), "embeddings.class_embedding"),
        (
            "model.embed_tokens.additional_embedding.weight", .embedding, .rest(.embedding),
            "additional_embedding.weight"
        ),
        ("model.norm.weight", .norm, .rest(.norm), "weight"),
        ("lm_head.weight", .head, .rest(.head), "weight"),
        (
            "base_model.model.model.layers.3.mlp.up_proj.lora_A.weight", .layers, .layer(3),
            "mlp.up_proj.lora_A.weight"
        ),
        // What is no name of this model is of no part, and what is no number of no block.
        ("model.normal.weight", .other, .rest(.other), "model.normal.weight"),
        ("model.layers.03.mlp", .layers, .rest(.layers), "03.mlp"),
        ("model.layers.99999999999999999999.x", .layers, .rest(.layers), "99999999999999999999.x"),
        ("model.layers.7", .layers, .rest(.layers), "7"),
        ("model.layers.", .layers, .rest(.layers), ""),
        ("", .other, .rest(.other), ""),
    ]

    @Test(arguments: names)
    func takesNamesApart(item: (name: String, part: ParameterName.Part, block: BlockName, role: String)) {
        let found = ParameterName(item.name)
        #expect(found.part == item.part && found.block == item.block && found.role == item.role, "\(item.name)")
    }

    /// Every parameter of a model belongs to a part, and its name is that of its block with its role.
    @Test(arguments: ["f1-resampler-qk", "f2-plain-vector", "f7-e2e"])
    func everyParameterHasItsPlace(fixture: String) throws {
        let config = try ModelFiles(directory: Fixtures.url(fixture)).config()
        let names = IdeficsModel.parameters(of: config).map(\.name)
        var blocks: Set<BlockName> = []
        for name in names {
            let found = ParameterName(name)
            #expect(found.part != .other && "\(found.block).\(found.role)" == name, "\(name)")
            blocks.insert(found.block)
        }
        #expect((0..<config.numHiddenLayers).allSatisfy { blocks.contains(.layer($0)) })
        #expect((0..<config.visionConfig.numHiddenLayers).allSatisfy { blocks.contains(.vision($0)) })
    }
}
