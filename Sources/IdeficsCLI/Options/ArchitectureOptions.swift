// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics

/// The choices of architecture that the backbones leave open.
struct ArchitectureOptions: ParsableArguments {
    @Option(help: "Layers of the vision tower to keep, counted from its input. (default: all)")
    var visionLayers: Int?

    @Option(help: "Height and width of images in pixels; positions are resized. (default: the vision model's)")
    var imageSize: Int?

    @Option(help: "A gated block precedes every layer whose index is a multiple of this; must divide the layers.")
    var crossLayerInterval = 4

    @Flag(inversion: .prefixedNo, help: "Normalize queries and keys of the gated blocks.")
    var qkLayerNorms = true

    @Option(help: "Gates: float (one for each branch) or vector (one for each channel).")
    var alphaType = "float"

    @Option(help: "How gates begin: zeros (closed), ones or normal.")
    var alphaInitializer = "zeros"

    @Option(help: "Standard deviation of gates that begin normal.")
    var alphasInitializerRange: Float = 0.02

    @Flag(inversion: .prefixedNo, help: "Compress image features with a resampler.")
    var useResampler = true

    @Option(help: "Blocks of the resampler.")
    var resamplerDepth = 6

    @Option(help: "Tokens the resampler makes of an image.")
    var resamplerNLatents = 64

    @Option(help: "Heads of the resampler.")
    var resamplerNHeads = 16

    @Option(help: "Floats of each head of the resampler.")
    var resamplerHeadDim = 96

    @Flag(inversion: .prefixedNo, help: "Normalize queries and keys of the resampler.")
    var qkLayerNormsPerceiver = true

    @Flag(help: "Add <end_of_utterance> to the vocabulary, as in the instruct models.")
    var endOfUtterance = false

    @Flag(
        help: "Give each query head key and value heads of its own, as transformers' IDEFICS needs; larger and slower."
    )
    var expandKeyValueHeads = false

    func validate() throws {
        guard ["float", "vector"].contains(alphaType) else {
            throw ValidationError("--alpha-type \(alphaType): float or vector")
        }
        guard ["zeros", "ones", "normal"].contains(alphaInitializer) else {
            throw ValidationError("--alpha-initializer \(alphaInitializer): zeros, ones or normal")
        }
        guard alphasInitializerRange >= 0, alphasInitializerRange.isFinite else {
            throw ValidationError("--alphas-initializer-range \(alphasInitializerRange): must not be negative")
        }
    }

    /// As the library takes them.
    var options: InitializationOptions {
        var options = InitializationOptions()
        options.visionLayers = visionLayers
        options.imageSize = imageSize
        options.crossLayerInterval = crossLayerInterval
        options.qkLayerNorms = qkLayerNorms
        options.alphaType = alphaType
        options.alphaInitializer = alphaInitializer
        options.alphasInitializerRange = alphaInitializer == "normal" ? alphasInitializerRange : 0
        options.useResampler = useResampler
        options.perceiver.resamplerDepth = resamplerDepth
        options.perceiver.resamplerNLatents = resamplerNLatents
        options.perceiver.resamplerNHeads = resamplerNHeads
        options.perceiver.resamplerHeadDim = resamplerHeadDim
        options.perceiver.qkLayerNormsPerceiver = qkLayerNormsPerceiver
        options.addsEndOfUtterance = endOfUtterance
        options.expandsKeyValueHeads = expandKeyValueHeads
        return options
    }
}
