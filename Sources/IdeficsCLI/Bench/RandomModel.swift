// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor

/// A model of random weights in memory, and sequences and images to run it with, made when they are first needed.
final class RandomModel {
    let model: IdeficsModel
    let hasImages: Bool
    private let floats = RandomWeights(.f32)
    private var longSequences: [IdeficsSession.Sequence] = []
    private var images: [EncodedImage] = []

    /// Tokens of the longest sequence.
    static let longestContext = 1024

    /// A model of `architecture` with `layers` decoder layers; its gates are open if it is to see images.
    init(
        _ architecture: BenchArchitecture,
        layers: Int,
        dtype: DType,
        options: QuantizationOptions,
        isExact: Bool
    ) {
        hasImages = architecture.hasImages
        model = IdeficsModel(
            architecture.config(layers: layers),
            RandomWeights(dtype).weights(options, gate: architecture.gate, isExact: isExact)
        )
    }

    var config: IdeficsConfig { model.config }

    /// Pixels of `count` images.
    func pixels(_ count: Int) -> Tensor {
        let size = config.visionConfig.imageSize
        return floats.tensor([count, config.visionConfig.numChannels, size, size])
    }

    /// What the vision tower makes of `count` images.
    func features(_ count: Int) -> Tensor {
        floats.tensor([count, config.visionConfig.numPositions, config.visionConfig.embedDim])
    }

    /// A batch of prompts whose tokens all see all of their `images` images, which the resampler has compressed.
    func prompts(batch: Int, tokens: Int, images: Int) -> IdeficsInputs {
        var inputs = DecodeBenchmark.inputs(config, batch: batch, tokens: tokens)
        guard images > 0 else { return inputs }
        let shape = [batch, images, config.imageTokens, config.visionConfig.embedDim]
        inputs.images = .perceiverEmbeddings(floats.tensor(shape))
        inputs.imageAttentionMask = Tensor(
            Array(repeating: 1, count: batch * tokens * images),
            shape: [batch, tokens, images]
        )
        return inputs
    }

    /// `batch` sequences of `context` tokens, each with a cache of its own, whose next token sees `images` images, for
    /// each sequence others.
    func sequences(batch: Int, context: Int, images: Int) throws -> [IdeficsSession.Sequence] {
        let width = config.numKeyValueHeads * config.headDim
        while longSequences.count < batch {
            longSequences.append(
                IdeficsSession.Sequence(
                    model,
                    tokenIds: Array(repeating: 17, count: Self.longestContext),
                    keys: floats.tensor([Self.longestContext, width]),
                    values: floats.tensor([Self.longestContext, width])
                )
            )
        }
        let encoded = try encodedImages(batch * images)
        return (0..<batch).map { index in
            var sequence = longSequences[index]
            sequence.truncate(to: context)
            return sequence.seeing(Array(encoded[index * images..<(index + 1) * images]))
        }
    }

    private func encodedImages(_ count: Int) throws -> [EncodedImage] {
        if images.count < count {
            let session = IdeficsSession(model)
            _ = try session.start(prompts(batch: 1, tokens: 1, images: count))
            images = session.sequences[0].distinctImages
        }
        return Array(images.prefix(count))
    }
}
