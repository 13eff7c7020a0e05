// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
public import IdeficsGeneration
import IdeficsImages
public import IdeficsTensor
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
    /// Ids that the model has no token for, which files keep from the model they began as, are as good as not there.
    ///
    /// - Throws: `GenerationError` naming file and key.
    public func generationConfig(for config: IdeficsConfig) throws -> GenerationConfig {
        let url = directory.appending(path: "generation_config.json")
        var generation = GenerationConfig()
        if let json = try Files.readRegularIfPresent(url, limit: configurationLimit) {
            generation = try GenerationConfig(json: json, file: url.path)
        }
        func known(_ id: Int?) -> Int? { id.flatMap { 0..<config.totalVocabSize ~= $0 ? $0 : nil } }
        generation.eosTokenId = generation.eosTokenId.compactMap(known)
        if generation.eosTokenId.isEmpty { generation.eosTokenId = config.eosTokenIds.compactMap(known) }
        generation.padTokenId = known(generation.padTokenId) ?? known(config.padTokenId)
        generation.bosTokenId = known(generation.bosTokenId) ?? known(config.bosTokenId)
        return generation
    }

    var hasConfig: Bool {
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
    ///   - isExact: whether products with quantized weights leave the activations as they are; slower.
    ///   - adapter: what was learned on this model; nil for none.
    ///   - memory: what the model may take; weights beyond it are read for every pass. nil leaves that to the system,
    ///     which is good where they fit.
    ///   - device: where the model lies.
    /// - Returns: the model, names in the checkpoint that it does not know, and what of it stays in memory, when not all
    ///   of it fits; that has to live as long as the model is used.
    /// - Throws: `CheckpointError`; missing and misshapen tensors are reported by name, all at once.
    public func model(
        _ config: IdeficsConfig,
        isExact: Bool = false,
        adapter: LoRAAdapter? = nil,
        memory: MemoryBudget? = nil,
        device: Device = .cpu
    ) throws -> (model: IdeficsModel, unexpected: [String], memoryPlan: MemoryPlan?) {
        let checkpoint = try Checkpoint(directory: directory)
        let weights =
            adapter?.weights(over: checkpoint, isExact: isExact, device: device)
            ?? Weights(checkpoint, isExact: isExact, device: device)
        let model = IdeficsModel(config, weights)
        let unexpected: [String]
        do {
            unexpected = try weights.finish(
                ignoring: Weights.staleKeys + (config.tieWordEmbeddings ? ["lm_head.*"] : [])
            )
        } catch let error as CheckpointError {
            throw try foreignQuantization(behind: error) ?? error
        }
        let plan = memory.flatMap { MemoryPlan(model, matrices: weights.matrices, budget: $0) }
        return (model, unexpected, plan)
    }

    /// A better reason for weights that do not fit: `config.json` says that another tool quantized them.
    private func foreignQuantization(behind error: CheckpointError) throws -> IdeficsError? {
        guard case .mismatch = error else { return nil }
        let url = directory.appending(path: "config.json")
        guard let method = try decodeJSON(Quantized.self, from: url).quantization_config?.quant_method,
            !["bitsandbytes", "idefics"].contains(method)
        else { return nil }
        return .config(
            file: url.path,
            key: "quantization_config.quant_method",
            reason:
                "\"\(method)\": weights quantized this way are not read; use the model as it was before, dequantize it, or "
                + "quantize it with bitsandbytes' NF4 or `idefics quantize`"
        )
    }

    /// What `config.json` says of how the weights are stored.
    private struct Quantized: Decodable {
        struct Method: Decodable {
            var quant_method: String?
        }

        var quantization_config: Method?
    }
}
