// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsImages
import IdeficsTensor

/// A pretrained vision transformer that becomes IDEFICS' tower.
protocol VisionBackbone: Backbone {
    /// Its architecture in IDEFICS' terms at its own image size; layers may be cut off its end.
    var config: IdeficsVisionConfig { get set }
    /// How its pictures are normalised.
    var imageProcessor: IdeficsImageProcessor { get throws }
    /// What is added to sizes when it resizes its position embedding (`interpolatePositions`).
    var scaleMargin: Double { get }
}

/// Recognises what is in `directory`: CLIP or DINOv2 of transformers, or OpenCLIP.
///
/// - Throws: `IdeficsError` when it is none of these, or what reading throws.
func visionBackbone(directory: URL) throws -> any VisionBackbone {
    let openCLIP = directory.appending(path: "open_clip_config.json")
    let file = directory.appending(path: "config.json")
    guard Files.exists(file) else {
        if Files.exists(openCLIP) { return try OpenCLIPBackbone(directory: directory) }
        throw IdeficsError.model(path: directory.path, reason: "has neither config.json nor open_clip_config.json")
    }
    let modelType = try decodeJSON(ModelType.self, from: file).name
    switch modelType {
    case "clip", "clip_vision_model": return try CLIPBackbone(directory: directory)
    case "dinov2": return try Dinov2Backbone(directory: directory)
    default:
        throw IdeficsError.config(
            file: file.path,
            key: "model_type",
            reason: "\"\(modelType)\" is no known vision model: use clip, clip_vision_model, dinov2 or OpenCLIP"
        )
    }
}

private struct ModelType: Decodable {
    let name: String

    init(from decoder: any Decoder) throws {
        var name = ""
        try decoder.container(keyedBy: JSONKey.self).read("model_type", into: &name)
        self.name = name
    }
}

extension VisionBackbone {
    /// Origin of the position embedding `[positions, embedDim]`, made from tables of this model's own size and resized
    /// to `shape` where that differs.
    ///
    /// - Parameters:
    ///   - sources: tensors of the checkpoint.
    ///   - shape: what IDEFICS needs.
    ///   - table: makes the `[positions, embedDim]` table of this model's size, in f32.
    /// - Returns: the origin.
    func positions(
        from sources: [(name: String, shape: [Int])],
        shape: [Int],
        table: @escaping @Sendable ([Tensor]) -> Tensor
    ) -> ParameterOrigin {
        let side = Int(Double(shape[0] - 1).squareRoot().rounded())
        let margin = scaleMargin
        return ParameterOrigin(sources) {
            interpolatePositions(table($0), rows: side, columns: side, isSquareImage: true, scaleMargin: margin)
        }
    }

    /// Whether `name` belongs to a layer, below `layers`, that `config` no longer has.
    func isCutOff(_ name: String, layers: String) -> Bool {
        guard name.hasPrefix(layers), let index = Int(name.dropFirst(layers.count).prefix { $0 != "." }) else {
            return false
        }
        return index >= config.numHiddenLayers
    }

    /// The image processor of `preprocessor_config.json`, else one with `mean` and `std`.
    func imageProcessor(directory: URL, mean: [Double], std: [Double]) throws -> IdeficsImageProcessor {
        let url = directory.appending(path: "preprocessor_config.json")
        guard Files.exists(url) else {
            return try IdeficsImageProcessor(imageSize: config.imageSize, imageMean: mean, imageStd: std)
        }
        let own = try decodeJSON(Normalization.self, from: url)
        return try IdeficsImageProcessor(
            imageSize: config.imageSize,
            imageMean: own.mean ?? mean,
            imageStd: own.std ?? std
        )
    }
}

/// The part of `preprocessor_config.json` that IDEFICS' processor shares with others.
private struct Normalization: Decodable {
    var mean: [Double]?
    var std: [Double]?

    init(from decoder: any Decoder) throws {
        let json = try decoder.container(keyedBy: JSONKey.self)
        mean = try json.decodeIfPresent([Double].self, forKey: JSONKey("image_mean"))
        std = try json.decodeIfPresent([Double].self, forKey: JSONKey("image_std"))
    }
}

extension IdeficsVisionConfig {
    /// transformers' defaults for CLIP, which are not IDEFICS'.
    static var clip: IdeficsVisionConfig {
        var config = IdeficsVisionConfig()
        config.patchSize = 32
        config.intermediateSize = 3072
        config.numHiddenLayers = 12
        config.numAttentionHeads = 12
        config.hiddenAct = "quick_gelu"
        return config
    }
}
