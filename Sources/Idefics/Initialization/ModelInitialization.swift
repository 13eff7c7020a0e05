// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsImages
import IdeficsTensor
import IdeficsTokenizers

/// Joins a pretrained language model and a pretrained vision model into an IDEFICS that is ready to be trained.
///
/// Decoder, embedding, head and vision tower are taken over; resampler, gated blocks and added tokens are new
/// (`NewParameters`). With closed gates the text side computes what the language model computed (Flamingo,
/// arXiv:2204.14198, section 3.2).
public struct ModelInitialization: Sendable {
    /// The model to be.
    public let config: IdeficsConfig
    /// Bytes of its weights.
    public var byteCount: Int { plan.byteCount }

    private let options: InitializationOptions
    private let languageModel: LanguageModelBackbone
    private let visionModel: any VisionBackbone
    private let addedTokens: AddedTokens
    private let plan: CheckpointPlan<Weights.Parameter>
    /// Directories of both backbones.
    private let sources: [URL]

    /// Opens both backbones and checks that everything fits, before anything is written.
    ///
    /// - Parameters:
    ///   - languageModel: directory of a `LlamaForCausalLM` with its tokenizer.
    ///   - visionModel: directory of a CLIP, OpenCLIP or DINOv2 model.
    ///   - options: the new parts.
    /// - Throws: an error that names file and field for what cannot be read or has no place in IDEFICS.
    public init(languageModel: URL, visionModel: URL, options: InitializationOptions = .init()) throws {
        let language = try LanguageModelBackbone(
            directory: languageModel,
            expandsKeyValueHeads: options.expandsKeyValueHeads
        )
        var vision = try visionBackbone(directory: visionModel)
        if let layers = options.visionLayers {
            guard layers >= 1, layers <= vision.config.numHiddenLayers else {
                throw IdeficsError.config(
                    file: visionModel.path,
                    key: "num_hidden_layers",
                    reason: "\(layers) layers were asked for, there are \(vision.config.numHiddenLayers)"
                )
            }
            vision.config.numHiddenLayers = layers
        }
        let tokens = try AddedTokens(language, addsEndOfUtterance: options.addsEndOfUtterance)
        var config = options.config(vision: vision.config)
        language.configure(&config)
        config.additionalVocabSize = tokens.count
        config.padTokenId = tokens.padTokenId
        config.bosTokenId = tokens.bosTokenId
        config.eosTokenIds = [tokens.documentEndId]
        try ConfigProblem.naming("the model to be made") { try config.validate() }
        let parameters = IdeficsModel.parameters(of: config)
        func part(_ isPart: (String) -> Bool) -> [Weights.Parameter] {
            parameters.filter { !NewParameters.contains($0.name) && isPart($0.name) }
        }
        try language.check(part { !Self.isVision($0) })
        try vision.check(part(Self.isVision))
        self.config = config
        self.options = options
        sources = [languageModel, visionModel]
        self.languageModel = language
        self.visionModel = vision
        addedTokens = tokens
        plan = CheckpointPlan(
            parameters.map { .init($0, $0.declarations(format: nil, dtype: options.dtype)) },
            shardByteCount: options.shardByteCount
        )
    }

    private static func isVision(_ name: String) -> Bool {
        ParameterName(name).part == .vision
    }

    /// Writes the checkpoint: weights, configurations and tokenizer; one tensor at a time is in memory.
    ///
    /// The directory appears when it is complete.
    ///
    /// - Parameters:
    ///   - directory: where it is to be.
    ///   - replacesExisting: whether what is there may be replaced.
    ///   - progress: reports how many bytes of weights are written.
    /// - Throws: `FileError` when something cannot be written, `CheckpointError` when it cannot be read.
    public func write(
        to directory: URL,
        replacesExisting: Bool = false,
        progress: (_ byteCount: Int) -> Void = { _ in }
    ) throws {
        let staged = try StagedDirectory(
            directory,
            replacesExisting: replacesExisting,
            keeping: sources
        )
        try staged.write(config.json(dtype: options.dtype), to: "config.json")
        try staged.write(generationConfig(), to: "generation_config.json")
        try staged.write(preprocessorConfig(), to: "preprocessor_config.json")
        for (name, data) in try addedTokens.tokenizer.files(from: languageModel.directory) {
            try staged.write(data, to: name)
        }
        try plan.write(to: staged.url, progress: progress) { [try tensor($0.name, shape: $0.shape)] }
        try staged.commit()
    }

    private func tensor(_ name: String, shape: [Int]) throws -> Tensor {
        if NewParameters.contains(name) {
            return NewParameters(config: config, seed: options.seed).parameter(name, shape: shape)
        }
        return try Self.isVision(name)
            ? visionModel.parameter(name, shape: shape) : languageModel.parameter(name, shape: shape)
    }

    private func generationConfig() throws -> Data {
        let ends = addedTokens.eosTokenIds
        return try Self.json([
            "_from_model_config": true,
            "bos_token_id": config.bosTokenId,
            "eos_token_id": ends.count == 1 ? ends[0] : ends,
            "pad_token_id": config.padTokenId,
        ])
    }

    private func preprocessorConfig() throws -> Data {
        let own = try visionModel.imageProcessor
        return try Self.json([
            "image_num_channels": 3,
            "image_size": config.visionConfig.imageSize,
            "image_mean": own.imageMean,
            "image_std": own.imageStd,
            "image_processor_type": "IdeficsImageProcessor",
            "processor_class": "IdeficsProcessor",
        ])
    }

    private static func json(_ object: [String: Any]) throws -> Data {
        try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
    }
}

extension InitializationOptions {
    /// The configuration these options ask for; what the language model decides is still at its defaults.
    fileprivate func config(vision: IdeficsVisionConfig) -> IdeficsConfig {
        var config = IdeficsConfig()
        config.visionConfig = vision
        config.visionConfig.imageSize = imageSize ?? vision.imageSize
        config.crossLayerInterval = crossLayerInterval
        config.qkLayerNorms = qkLayerNorms
        config.alphaInitializer = alphaInitializer
        config.alphasInitializerRange = alphasInitializerRange
        config.alphaType = alphaType
        config.useResampler = useResampler
        config.perceiverConfig = perceiver
        // Training starts with both backbones frozen, the head among them (the model card's pre-training).
        config.freezeLmHead = true
        return config
    }
}
