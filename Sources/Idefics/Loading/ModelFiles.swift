// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
public import IdeficsGeneration
public import IdeficsImages
public import IdeficsTokenizers

/// A model directory in Hugging Face format.
public struct ModelFiles: Sendable {
    /// The directory.
    public let directory: URL

    /// The directory at `directory`; files are looked at when they are asked for.
    public init(directory: URL) {
        self.directory = directory
    }

    /// `config.json`, checked.
    ///
    /// - Throws: `IdeficsError.config` naming file and key.
    public func config() throws -> IdeficsConfig {
        try IdeficsConfig(contentsOf: directory.appending(path: "config.json"))
    }

    /// `generation_config.json`, with what the model's configuration says of special tokens where it is silent.
    ///
    /// - Throws: `GenerationError` naming file and key.
    public func generationConfig(for config: IdeficsConfig) throws -> GenerationConfig {
        let url = directory.appending(path: "generation_config.json")
        var generation = GenerationConfig()
        if Files.exists(url) {
            generation = try GenerationConfig(json: Files.read(url), file: url.path)
        }
        if generation.eosTokenId.isEmpty { generation.eosTokenId = config.eosTokenIds }
        generation.padTokenId = generation.padTokenId ?? config.padTokenId
        generation.bosTokenId = generation.bosTokenId ?? config.bosTokenId
        return generation
    }

    /// `preprocessor_config.json`, or transformers' defaults at the size in `config.json`, if there is one.
    ///
    /// - Throws: an error naming file and key.
    public func imageProcessor() throws -> IdeficsImageProcessor {
        let url = directory.appending(path: "preprocessor_config.json")
        guard Files.exists(url) else {
            var processor = try IdeficsImageProcessor()
            if hasConfig { processor.imageSize = try config().visionConfig.imageSize }
            return processor
        }
        return try IdeficsImageProcessor(json: Files.read(url), file: url.path)
    }

    private var hasConfig: Bool {
        Files.exists(directory.appending(path: "config.json"))
    }

    /// Whether there is a tokenizer.
    public var hasTokenizer: Bool {
        ["tokenizer.json", "tokenizer.model"].contains {
            Files.exists(directory.appending(path: $0))
        }
    }

    /// The tokenizer.
    ///
    /// - Throws: `TokenizerError` naming file and field.
    public func tokenizer() throws -> any Tokenizer {
        try AutoTokenizer.from(directory: directory)
    }

    /// Tokenizer and image processor together.
    ///
    /// - Throws: what reading them throws.
    public func processor() throws -> IdeficsProcessor {
        try IdeficsProcessor(tokenizer: tokenizer(), imageProcessor: imageProcessor())
    }

    /// The parameters, mapped as they lie in the files.
    ///
    /// - Parameters:
    ///   - config: the architecture they must fit.
    ///   - isExact: whether products with quantised weights leave the activations as they are; slower.
    ///   - adapter: what was learned on this model; nil for none.
    ///   - memory: what the model may take; weights beyond it are read for every pass. nil leaves that to the system,
    ///     which is good where they fit.
    /// - Returns: the model, and names in the checkpoint that it does not know.
    /// - Throws: `CheckpointError`; missing and misshapen tensors are reported by name, all at once.
    public func model(
        _ config: IdeficsConfig,
        isExact: Bool = false,
        adapter: LoRAAdapter? = nil,
        memory: MemoryBudget? = nil
    ) throws -> (model: IdeficsModel, unexpected: [String]) {
        let checkpoint = try Checkpoint(directory: directory)
        let weights =
            adapter?.weights(over: checkpoint, isExact: isExact) ?? Weights(checkpoint, isExact: isExact)
        var model = IdeficsModel(config, weights)
        let unexpected = try weights.finish(
            ignoring: Weights.staleKeys + (config.tieWordEmbeddings ? ["lm_head.*"] : [])
        )
        if let memory { model.memoryPlan = MemoryPlan(model, matrices: weights.matrices, budget: memory) }
        return (model, unexpected)
    }
}
