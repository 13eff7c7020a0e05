// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor

/// Parts of IDEFICS-9B with random weights, end to end.
enum ModelMeasurements {
    /// The configuration of `HuggingFaceM4/idefics-9b` with fewer decoder layers.
    static func config(layers: Int) -> IdeficsConfig {
        var config = IdeficsConfig()
        config.numHiddenLayers = layers
        config.crossLayerInterval = 4
        config.additionalVocabSize = 2
        config.qkLayerNorms = true
        config.useResampler = true
        config.visionConfig.embedDim = 1280
        config.perceiverConfig.qkLayerNormsPerceiver = true
        return config
    }

    /// The text side of IDEFICS-9B, `layers` of its 32 decoder layers with their gated blocks and the head: reading
    /// prompts and generating, without images.
    ///
    /// - Parameters:
    ///   - layers: decoder layers, a multiple of 4.
    ///   - format: of all matrices; nil for bf16.
    /// - Returns: measurements that share one model.
    static func text(layers: Int, format: QuantizedTensor.Format?) -> [Measurement] {
        var config = config(layers: layers)
        config.visionConfig.numHiddenLayers = 0  // images are measured by themselves
        let name = "9B, \(layers) layers, \(format?.rawValue ?? "bf16")"
        let model = IdeficsModel(config, RandomWeights(.bf16).weights(format))
        let parameters = Double(layers) * 202.4e6 + Double(config.numGatedLayers) * 135.3e6
        let bound: Measurement.Bound = format == .int4 || format == .int8 ? .integer : .compute
        let prefill = [128, 512].map { tokens in
            Measurement(
                name: "prefill \(tokens) tokens, \(name)",
                bound: bound,
                work: 2 * Double(tokens) * parameters
            ) {
                { _ = try IdeficsSession(model).start(DecodeBenchmark.inputs(config, tokens: tokens)) }
            }
        }
        let decode = [(128, 1), (1024, 1), (128, 4)].map { context, batch in
            Measurement(
                name: "decode after \(context), batch \(batch), \(name)",
                bound: .memory,
                work: Double(model.decodeParameterBytes + batch * model.cacheBytes(context: context)),
                steps: 8
            ) {
                let prompt = IdeficsSession(model)
                _ = try prompt.start(DecodeBenchmark.inputs(config, tokens: context))
                let sequences = Array(repeating: prompt.sequences[0], count: batch)
                return {
                    let session = IdeficsSession(model, sequences: sequences)
                    for _ in 0..<8 { _ = try session.step(tokenIds: Array(repeating: 17, count: batch)) }
                }
            }
        }
        return prefill + decode
    }

    /// One image through CLIP-H: 32 layers, 1280 wide, 257 positions.
    static func image(_ dtype: DType) -> Measurement {
        let config = config(layers: 0).visionConfig
        let tokens = Double(config.numPositions)
        let width = Double(config.embedDim)
        let perLayer = 2 * tokens * (4 * width * width + 2 * width * Double(config.intermediateSize))
        let attention = 4 * tokens * tokens * width
        let patches = 2 * (tokens - 1) * width * Double(3 * config.patchSize * config.patchSize)
        return Measurement(
            name: "CLIP-H image, \(dtype) weights",
            bound: .compute,
            work: Double(config.numHiddenLayers) * (perLayer + attention) + patches
        ) {
            let tower = VisionTransformer(config, RandomWeights(dtype).weights())
            let pixels = RandomWeights(.f32).tensor([1, 3, config.imageSize, config.imageSize])
            return { _ = try tower(pixels) }
        }
    }
}
