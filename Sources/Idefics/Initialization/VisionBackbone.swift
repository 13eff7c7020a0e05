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
    /// How its images are normalized.
    var imageProcessor: IdeficsImageProcessor { get throws }
    /// What is added to sizes when it resizes its position embedding (`interpolatePositions`).
    var scaleMargin: Double { get }
}

/// Recognizes what is in `directory`: CLIP or DINOv2 of transformers, or OpenCLIP.
///
/// - Throws: `IdeficsError` when it is none of these, or what reading throws.
func visionBackbone(directory: URL) throws -> any VisionBackbone {
    let openCLIP = directory.appending(path: "open_clip_config.json")
    let file = directory.appending(path: "config.json")
    guard Files.exists(file) else {
        if Files.exists(openCLIP) {
            let backbone = try OpenCLIPBackbone(directory: directory)
            try ConfigProblem.naming(openCLIP.path) { try backbone.config.validate() }
            return backbone
        }
        throw IdeficsError.model(path: directory.path, reason: "has neither config.json nor open_clip_config.json")
    }
    let modelType = try decodeJSON(ModelType.self, from: file).name
    let backbone: any VisionBackbone
    switch modelType {
    case "clip", "clip_vision_model": backbone = try CLIPBackbone(directory: directory)
    case "dinov2": backbone = try Dinov2Backbone(directory: directory)
    default:
        throw IdeficsError.config(
            file: file.path,
            key: "model_type",
            reason: "\"\(modelType)\" is no known vision model: use clip, clip_vision_model, dinov2 or OpenCLIP"
        )
    }
    try ConfigProblem.naming(file.path) { try backbone.config.validate() }
    return backbone
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

    /// The image processor of the model's own files, else one with `mean` and `std`.
    func imageProcessor(directory: URL, mean: [Double], std: [Double]) throws -> IdeficsImageProcessor {
        let own = try ModelFiles(directory: directory).imageSettings { data, url in
            try ConfigProblem.naming(url.path) { try Normalization.read(data, file: url.path) }
        }
        return try IdeficsImageProcessor(
            imageSize: config.imageSize,
            imageMean: own?.mean ?? mean,
            imageStd: own?.std ?? std
        )
    }
}

/// What a vision model's image processor says of the values of images, itself or as a part of its processor.
private struct Normalization: Decodable {
    var mean: [Double]?
    var std: [Double]?

    private enum CodingKeys: String, CodingKey {
        case mean = "image_mean"
        case std = "image_std"
    }

    private struct Processor: Decodable {
        var image_processor: Normalization?
    }

    static func read(_ data: Data, file: String) throws -> Normalization? {
        guard Files.split(file).name == ModelFiles.processorName else {
            return try JSONReader.decode(Normalization.self, from: data, file: file)
        }
        return try JSONReader.decode(Processor.self, from: data, file: file).image_processor
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
