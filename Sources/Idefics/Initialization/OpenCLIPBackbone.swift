// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsImages
import IdeficsTensor

/// The vision half of an OpenCLIP model under OpenCLIP's own names, where q, k and v are one matrix.
///
/// Source: `VisionTransformer` of open_clip; configuration `open_clip_config.json`.
struct OpenCLIPBackbone: VisionBackbone {
    let checkpoint: Checkpoint
    var config: IdeficsVisionConfig
    private let normalization: (mean: [Double], std: [Double])?
    let scaleMargin = 0.1

    init(directory: URL) throws {
        let file = directory.appending(path: "open_clip_config.json")
        let parsed = try decodeJSON(OpenCLIPConfig.self, from: file)
        config = parsed.vision
        normalization = parsed.mean.flatMap { mean in parsed.std.map { (mean, $0) } }
        let weights = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
            .map { directory.appending(path: $0) }
            .first { Files.exists($0) }
        checkpoint = try weights.map { try Checkpoint(file: $0) } ?? Checkpoint(directory: directory)
    }

    private struct OpenCLIPConfig: Decodable {
        var vision = IdeficsVisionConfig.clip
        var mean: [Double]?
        var std: [Double]?

        init(from decoder: any Decoder) throws {
            let top = try decoder.container(keyedBy: JSONKey.self)
            guard let model = try top.object("model_cfg"), let json = try model.object("vision_cfg") else {
                throw ConfigProblem("model_cfg.vision_cfg", "is missing")
            }
            var headWidth = 64
            var mlpRatio = 4.0
            var isQuick = false
            try json.read("width", into: &vision.embedDim)
            try json.read("image_size", into: &vision.imageSize)
            try json.read("patch_size", into: &vision.patchSize)
            try json.read("layers", into: &vision.numHiddenLayers)
            try json.read("head_width", into: &headWidth)
            try json.read("mlp_ratio", into: &mlpRatio)
            try model.read("quick_gelu", into: &isQuick)
            vision.hiddenAct = isQuick ? "quick_gelu" : "gelu"
            guard 1...(1 << 20) ~= vision.embedDim, 1...(1 << 20) ~= headWidth, 0.001...1000 ~= mlpRatio else {
                throw ConfigProblem("model_cfg.vision_cfg", "width, head_width or mlp_ratio is out of range")
            }
            guard vision.embedDim % headWidth == 0 else {
                throw ConfigProblem("model_cfg.vision_cfg.head_width", "\(headWidth) does not divide the width")
            }
            vision.numAttentionHeads = vision.embedDim / headWidth
            vision.intermediateSize = Int(Double(vision.embedDim) * mlpRatio)
            for key in ["timm_model_name", "attentional_pool", "no_ln_pre", "ls_init_value"] {
                if let value = try? json.decodeIfPresent(Bool.self, forKey: JSONKey(key)), !value { continue }
                let isThere = try json.contains(JSONKey(key)) && !json.decodeNil(forKey: JSONKey(key))
                guard !isThere else {
                    throw ConfigProblem("model_cfg.vision_cfg.\(key)", "this kind of tower is not supported")
                }
            }
            guard let preprocess = try top.object("preprocess_cfg") else { return }
            mean = try preprocess.decodeIfPresent([Double].self, forKey: JSONKey("mean"))
            std = try preprocess.decodeIfPresent([Double].self, forKey: JSONKey("std"))
        }
    }

    var imageProcessor: IdeficsImageProcessor {
        get throws {
            var processor = try IdeficsImageProcessor(imageSize: config.imageSize)
            if let normalization { (processor.imageMean, processor.imageStd) = normalization }
            return processor
        }
    }

    /// OpenCLIP's names of what is called the same thing differently.
    private static let names = [
        "embeddings.class_embedding": "class_embedding",
        "embeddings.patch_embedding.weight": "conv1.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "pre_layrnorm": "ln_pre", "post_layernorm": "ln_post",
        "layer_norm1": "ln_1", "layer_norm2": "ln_2",
        "self_attn.out_proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    ]

    func origin(of name: String, shape: [Int]) -> ParameterOrigin {
        var rest = String(name.dropFirst("model.vision_model.".count))
        if let own = Self.names[rest] {
            guard own == "positional_embedding" else { return ParameterOrigin("visual.\(own)", shape: shape) }
            return positions(from: [("visual.\(own)", [config.numPositions, shape[1]])], shape: shape) { cast($0[0]) }
        }
        var path = "visual."
        if rest.hasPrefix("encoder.layers.") {
            let parts = rest.split(separator: ".", maxSplits: 3)
            path += "transformer.resblocks.\(parts[2])."
            rest = String(parts[3])
        }
        let dot = rest.lastIndex(of: ".") ?? rest.endIndex
        let (layer, kind) = (String(rest[..<dot]), String(rest[dot...].dropFirst()))
        if let own = Self.names[layer] { return ParameterOrigin("\(path)\(own).\(kind)", shape: shape) }
        // What is left is q_proj, k_proj or v_proj: thirds of one matrix.
        let third = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].firstIndex(of: layer) ?? 0
        let rows = shape[0]
        return ParameterOrigin([("\(path)attn.in_proj_\(kind)", [3 * rows] + shape.dropFirst())]) {
            $0[0][third * rows..<(third + 1) * rows]
        }
    }

    /// The text half and the projection are not needed, nor are layers that were cut off.
    func isDispensable(_ name: String) -> Bool {
        !name.hasPrefix("visual.") || name == "visual.proj"
            || isCutOff(name, layers: "visual.transformer.resblocks.")
    }
}
