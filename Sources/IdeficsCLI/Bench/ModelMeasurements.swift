// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor

/// A whole model with random weights, end to end: images, prompts, generating.
struct ModelMeasurements {
    let random: RandomModel
    /// Formats of the model's parts; one without is dense.
    let options: QuantizationOptions

    /// All of them.
    var all: [Measurement] {
        let images = random.hasImages ? [0, 1, 4] : [0]
        let few = random.hasImages ? [0, 1] : [0]
        var measurements = random.hasImages ? [image(.tower), image(.resampler), image(.both(1)), image(.both(4))] : []
        for tokens in [128, 512] { measurements += images.map { prefill(tokens: tokens, images: $0, batch: 1) } }
        measurements += few.map { prefill(tokens: 128, images: $0, batch: 4) }
        for context in [128, 1024] { measurements += images.map { decode(context: context, images: $0, batch: 1) } }
        for context in [128, 1024] { measurements += few.map { decode(context: context, images: $0, batch: 4) } }
        return measurements
    }

    /// What bounds products of many rows with weights of `part`: f32 multiply-adds unless activations are quantized.
    private func bound(_ part: QuantizationOptions.Part) -> Measurement.Bound {
        switch options.formats[part] {
        case .int8, .int4: .integer
        case .nf4, nil: .compute
        }
    }

    private static func suffix(images: Int, batch: Int) -> String {
        let seen = images == 0 ? "" : images == 1 ? ", 1 image" : ", \(images) images"
        return seen + (batch == 1 ? "" : ", batch \(batch)")
    }

    // MARK: - Images

    private enum ImagePart {
        case tower
        case resampler
        case both(Int)
    }

    private func image(_ part: ImagePart) -> Measurement {
        let (model, random) = (random.model, random)
        let work = ModelWork(config: random.config)
        switch part {
        case .tower:
            return Measurement(name: "image: vision tower", bound: bound(.vision), work: work.tower) {
                let pixels = random.pixels(1)
                return { _ = try model.visionModel(pixels) }
            }
        case .resampler:
            return Measurement(name: "image: resampler", bound: bound(.resampler), work: work.resampler) {
                let features = random.features(1)
                return { _ = model.perceiverResampler?(features) }
            }
        case .both(let count):
            return Measurement(
                name: count == 1 ? "image: both" : "image: both, \(count) images",
                bound: bound(.vision),
                work: Double(count) * (work.tower + work.resampler)
            ) {
                let pixels = random.pixels(count)
                return { _ = try model.imageHiddenStates(pixels) }
            }
        }
    }

    // MARK: - Text

    /// Reading prompts, their images encoded already.
    private func prefill(tokens: Int, images: Int, batch: Int) -> Measurement {
        let random = random
        let work = ModelWork(config: random.config).prompt(tokens: tokens, images: images, isGated: random.hasImages)
        return Measurement(
            name: "prefill \(tokens)\(Self.suffix(images: images, batch: batch))",
            bound: bound(.text),
            work: Double(batch) * work,
            tokens: batch * tokens
        ) {
            let inputs = random.prompts(batch: batch, tokens: tokens, images: images)
            return { _ = try IdeficsSession(random.model).start(inputs) }
        }
    }

    /// Generating, one token of each sequence a step.
    private func decode(context: Int, images: Int, batch: Int) -> Measurement {
        let random = random
        let steps = 8
        // An image's keys and values, in f32, are read by every token that sees it.
        let imageBytes =
            2 * 4 * images * random.config.imageTokens * random.config.hiddenSize
            * random.config.numGatedLayers
        let cacheBytes = random.model.cacheBytes(context: context + steps / 2) + imageBytes
        return Measurement(
            name: "decode after \(context)\(Self.suffix(images: images, batch: batch))",
            bound: .memory,
            work: Double(random.model.decodeParameterBytes(seesImages: images > 0) + batch * cacheBytes),
            steps: steps,
            tokens: batch
        ) {
            let sequences = try random.sequences(batch: batch, context: context, images: images)
            return {
                // Copies share the caches, so that every run begins at the same place.
                let session = IdeficsSession(random.model, sequences: sequences)
                for _ in 0..<steps { _ = try session.step(tokenIds: Array(repeating: 17, count: batch)) }
            }
        }
    }
}
