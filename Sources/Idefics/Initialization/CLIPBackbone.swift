// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsImages
import IdeficsTensor

/// transformers' `CLIPVisionModel`, or the vision half of a `CLIPModel`: IDEFICS' tower has its names.
struct CLIPBackbone: VisionBackbone {
    let directory: URL
    let checkpoint: Checkpoint
    var config: IdeficsVisionConfig
    private let prefix: String
    let scaleMargin = 0.1

    init(directory: URL) throws {
        self.directory = directory
        checkpoint = try Checkpoint(directory: directory)
        config = try decodeJSON(CLIPConfig.self, from: directory.appending(path: "config.json")).vision
        let checkpoint = checkpoint
        prefix =
            ["vision_model.", "vision_model.vision_model.", ""].first {
                checkpoint.contains("\($0)embeddings.class_embedding")
            } ?? "vision_model."
    }

    /// `config.json`, its vision part nested or not.
    private struct CLIPConfig: Decodable {
        var vision = IdeficsVisionConfig.clip

        init(from decoder: any Decoder) throws {
            let top = try decoder.container(keyedBy: JSONKey.self)
            let json = try top.object("vision_config") ?? top
            try json.read("hidden_size", into: &vision.embedDim)
            try json.read("image_size", into: &vision.imageSize)
            try json.read("patch_size", into: &vision.patchSize)
            try json.read("intermediate_size", into: &vision.intermediateSize)
            try json.read("num_hidden_layers", into: &vision.numHiddenLayers)
            try json.read("num_attention_heads", into: &vision.numAttentionHeads)
            try json.read("num_channels", into: &vision.numChannels)
            try json.read("hidden_act", into: &vision.hiddenAct)
            try json.read("layer_norm_eps", into: &vision.layerNormEps)
        }
    }

    var imageProcessor: IdeficsImageProcessor {
        get throws {
            let clip = try IdeficsImageProcessor()
            return try imageProcessor(directory: directory, mean: clip.imageMean, std: clip.imageStd)
        }
    }

    func origin(of name: String, shape: [Int]) -> ParameterOrigin {
        let own = prefix + name.dropFirst("model.vision_model.".count)
        guard name.hasSuffix("position_embedding.weight") else { return ParameterOrigin(own, shape: shape) }
        return positions(from: [(own, [config.numPositions, shape[1]])], shape: shape) { cast($0[0]) }
    }

    /// The text half is not needed, nor are layers that were cut off.
    func isDispensable(_ name: String) -> Bool {
        !name.hasPrefix(prefix) || isCutOff(name, layers: "\(prefix)encoder.layers.")
    }
}
