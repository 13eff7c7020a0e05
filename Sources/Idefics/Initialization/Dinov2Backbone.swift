// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsImages
import IdeficsTensor

/// transformers' `Dinov2Model`: a ViT without pre-LayerNorm, whose layer scales and patch bias are folded into the
/// layers before them, so that IDEFICS' tower computes the same.
struct Dinov2Backbone: VisionBackbone {
    let directory: URL
    let checkpoint: Checkpoint
    var config: IdeficsVisionConfig
    private let prefix: String
    // Dinov2 resizes to sizes, not by scale factors.
    let scaleMargin = 0.0

    init(directory: URL) throws {
        self.directory = directory
        checkpoint = try Checkpoint(directory: directory)
        config = try decodeJSON(Dinov2Config.self, from: directory.appending(path: "config.json")).vision
        prefix = checkpoint.contains("dinov2.embeddings.cls_token") ? "dinov2." : ""
    }

    private struct Dinov2Config: Decodable {
        var vision = IdeficsVisionConfig()

        init(from decoder: any Decoder) throws {
            let json = try decoder.container(keyedBy: JSONKey.self)
            vision.numHiddenLayers = 12
            vision.numAttentionHeads = 12
            vision.layerNormEps = 1e-6
            vision.usePreLayerNorm = false
            var mlpRatio = 4.0
            var isSwiGLU = false
            try json.read("hidden_size", into: &vision.embedDim)
            try json.read("image_size", into: &vision.imageSize)
            try json.read("patch_size", into: &vision.patchSize)
            try json.read("mlp_ratio", into: &mlpRatio)
            try json.read("num_hidden_layers", into: &vision.numHiddenLayers)
            try json.read("num_attention_heads", into: &vision.numAttentionHeads)
            try json.read("num_channels", into: &vision.numChannels)
            try json.read("hidden_act", into: &vision.hiddenAct)
            try json.read("layer_norm_eps", into: &vision.layerNormEps)
            try json.read("use_swiglu_ffn", into: &isSwiGLU)
            guard !isSwiGLU else {
                throw ConfigProblem("use_swiglu_ffn", "true: IDEFICS' tower has two-layer networks")
            }
            guard 1...(1 << 20) ~= vision.embedDim, 0.001...1000 ~= mlpRatio else {
                throw ConfigProblem("mlp_ratio", "\(mlpRatio) times \(vision.embedDim) is out of range")
            }
            vision.intermediateSize = Int(Double(vision.embedDim) * mlpRatio)
        }
    }

    var imageProcessor: IdeficsImageProcessor {
        get throws {
            try imageProcessor(directory: directory, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
        }
    }

    /// Dinov2's names of layers inside a block.
    private static let names = [
        "layer_norm1": "norm1", "layer_norm2": "norm2",
        "self_attn.q_proj": "attention.attention.query", "self_attn.k_proj": "attention.attention.key",
        "self_attn.v_proj": "attention.attention.value", "self_attn.out_proj": "attention.output.dense",
        "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
    ]

    func origin(of name: String, shape: [Int]) -> ParameterOrigin {
        let rest = String(name.dropFirst("model.vision_model.".count))
        let embeddings = "\(prefix)embeddings."
        let patchBias = (name: "\(embeddings)patch_embeddings.projection.bias", shape: [config.embedDim])
        switch rest {
        case "embeddings.class_embedding":
            return ParameterOrigin("\(embeddings)cls_token", shape: [1, 1] + shape)
        case "embeddings.patch_embedding.weight":
            return ParameterOrigin("\(embeddings)patch_embeddings.projection.weight", shape: shape)
        case "embeddings.position_embedding.weight":
            let table = (name: "\(embeddings)position_embeddings", shape: [1, config.numPositions, shape[1]])
            return positions(from: [table, patchBias], shape: shape) { tensors in
                addingToPatches(tensors[1], table: tensors[0].reshaped(Array(tensors[0].shape.dropFirst())))
            }
        default: break
        }
        let dot = rest.lastIndex(of: ".") ?? rest.endIndex
        let (layer, kind) = (rest[..<dot], rest[dot...])
        guard layer.hasPrefix("encoder.layers.") else {
            return ParameterOrigin("\(prefix)layernorm\(kind)", shape: shape)  // post_layernorm
        }
        let parts = layer.split(separator: ".", maxSplits: 3)
        let block = "\(prefix)encoder.layer.\(parts[2])."
        let own = "\(block)\(Self.names[String(parts[3])] ?? String(parts[3]))\(kind)"
        switch parts[3] {
        case "self_attn.out_proj": return scaled(own, shape: shape, by: "\(block)layer_scale1.lambda1")
        case "mlp.fc2": return scaled(own, shape: shape, by: "\(block)layer_scale2.lambda1")
        default: return ParameterOrigin(own, shape: shape)
        }
    }

    /// A weight or bias whose output `scale` multiplies, channel by channel.
    private func scaled(_ name: String, shape: [Int], by scale: String) -> ParameterOrigin {
        ParameterOrigin([(name, shape), (scale, [shape[0]])]) { tensors in
            var values = tensors[0].floatArray()
            let columns = values.count / shape[0]
            for (row, factor) in tensors[1].floatArray().enumerated() {
                for index in row * columns..<(row + 1) * columns { values[index] *= factor }
            }
            return Tensor(values, shape: shape)
        }
    }

    /// Images never have masked patches, and layers may have been cut off.
    func isDispensable(_ name: String) -> Bool {
        name == "\(prefix)embeddings.mask_token" || !name.hasPrefix(prefix)
            || isCutOff(name, layers: "\(prefix)encoder.layer.")
    }
}

/// `table`, `[positions, embedDim]`, with `bias` added to all rows but the class token's.
private func addingToPatches(_ bias: Tensor, table: Tensor) -> Tensor {
    var values = table.floatArray()
    let bias = bias.floatArray()
    for index in bias.count..<values.count { values[index] += bias[index % bias.count] }
    return Tensor(values, shape: table.shape)
}
