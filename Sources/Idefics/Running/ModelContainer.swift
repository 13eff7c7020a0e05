// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation
public import IdeficsGeneration
public import IdeficsImages
public import IdeficsTensor
import IdeficsTokenizers

/// A model with its processor, ready to generate: the owner of its computation, which runs on a thread of its own.
///
/// Calls are served one after the other; results stream while a call runs. The cache of the last prompt is kept, and a
/// prompt that begins in the same way (the next turn of a chat, the same examples with another question) goes on from
/// there.
public actor ModelContainer {
    /// The architecture.
    public nonisolated let config: IdeficsConfig
    /// The model's own generation options.
    public nonisolated let generationConfig: GenerationConfig
    /// Turns prompts into inputs; nil when the directory has no tokenizer (then only tensors can be run).
    public nonisolated let processor: IdeficsProcessor?
    /// Tensors of the checkpoint that the model does not know.
    public nonisolated let unexpectedTensors: [String]
    /// The directory the model came from.
    public nonisolated let directory: URL
    /// The model.
    public nonisolated let model: IdeficsModel
    /// What of the model stays in memory, when not all of it fits; nil when it does.
    public nonisolated let memoryPlan: MemoryPlan?
    /// How keys and values are stored.
    public nonisolated let cacheType: KeyValueType

    private nonisolated let thread = ComputeThread(name: "idefics.model")
    var lastSequence: IdeficsSession.Sequence?

    /// Computation runs on the container's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Opens the model in `directory`; parameters are mapped, not read, so this is fast at any size.
    ///
    /// - Parameters:
    ///   - directory: a checkpoint in Hugging Face format.
    ///   - isExact: whether products with quantized weights leave the activations as they are; slower.
    ///   - adapter: a directory with a LoRA adapter as PEFT writes it, to be used with the model; nil for none.
    ///   - memory: what the model may take; weights beyond it are read for every pass (see `memoryPlan`).
    ///   - cacheType: how keys and values are stored.
    ///   - device: where the model lies.
    /// - Throws: what reading or checking the files throws; each names the file and the field.
    public init(
        directory: URL,
        isExact: Bool = false,
        adapter: URL? = nil,
        memory: MemoryBudget = MemoryBudget(),
        cacheType: KeyValueType = .f32,
        device: Device = .cpu
    ) throws {
        let files = ModelFiles(directory: directory)
        config = try files.config()
        generationConfig = try files.generationConfig(for: config)
        processor = files.hasTokenizer ? try files.processor() : nil
        let learned = try adapter.map { [config] in try LoRAAdapter(directory: $0, for: config) }
        (model, unexpectedTensors, memoryPlan) = try files.model(
            config,
            isExact: isExact,
            adapter: learned,
            memory: memory,
            device: device
        )
        self.cacheType = cacheType
        self.directory = directory
    }

    /// A container of a model that is in memory, with the processor and options of the model in `directory`.
    package init(_ model: IdeficsModel, processor: IdeficsProcessor, directory: URL) throws {
        config = model.config
        generationConfig = try ModelFiles(directory: directory).generationConfig(for: model.config)
        self.processor = processor
        self.model = model
        unexpectedTensors = []
        memoryPlan = nil
        cacheType = .f32
        self.directory = directory
    }

    // MARK: - Tensors

    /// Logits of all tokens of a batch.
    ///
    /// - Parameter inputs: the batch.
    /// - Returns: logits and image tokens.
    /// - Throws: `IdeficsError.input` when a field does not fit.
    public func forward(_ inputs: IdeficsInputs) throws -> IdeficsOutput {
        try model.forward(inputs, keyValueType: cacheType)
    }

    // MARK: - Generation

    /// Generates for one prompt.
    ///
    /// - Parameters:
    ///   - prompt: text and images.
    ///   - config: how to generate; nil for the model's own options.
    ///   - options: how the prompt is processed.
    ///   - fetcher: gets images by URL; nil refuses them.
    /// - Returns: text as it appears, then one `.finished` for each returned sequence. Ending the iteration stops the
    ///   computation within one token.
    public nonisolated func generate(
        _ prompt: Prompt,
        config: GenerationConfig? = nil,
        options: IdeficsProcessor.Options = .init(),
        fetcher: (any ImageFetcher)? = nil
    ) -> AsyncThrowingStream<TextGenerationEvent, any Error> {
        generate([prompt], config: config, options: options, fetcher: fetcher)
    }

    /// Generates for several prompts at once; each result is what it would be alone.
    ///
    /// - Parameters:
    ///   - prompts: text and images, one prompt for each row.
    ///   - config: how to generate; nil for the model's own options.
    ///   - options: how prompts are processed.
    ///   - fetcher: gets images by URL; nil refuses them.
    /// - Returns: as for one prompt; events carry the prompt's index.
    public nonisolated func generate(
        _ prompts: [Prompt],
        config: GenerationConfig? = nil,
        options: IdeficsProcessor.Options = .init(),
        fetcher: (any ImageFetcher)? = nil
    ) -> AsyncThrowingStream<TextGenerationEvent, any Error> {
        stream { yield in
            let inputs = try await self.inputs(prompts, options: options, fetcher: fetcher)
            try await self.run(inputs, config: config ?? self.generationConfig, yield: yield)
        }
    }

    /// Generates for inputs that are tensors already.
    ///
    /// - Parameters:
    ///   - inputs: the batch.
    ///   - config: how to generate; nil for the model's own options.
    /// - Returns: as for prompts; without a tokenizer no text, only `.finished` with its ids.
    public nonisolated func generate(
        inputs: IdeficsInputs,
        config: GenerationConfig? = nil
    ) -> AsyncThrowingStream<TextGenerationEvent, any Error> {
        stream { yield in
            try await self.run(inputs, config: config ?? self.generationConfig, yield: yield)
        }
    }

    private nonisolated func stream(
        _ body: @escaping @Sendable (_ yield: @escaping @Sendable (TextGenerationEvent) -> Void) async throws -> Void
    ) -> AsyncThrowingStream<TextGenerationEvent, any Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    try await body { continuation.yield($0) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Inputs for `prompts`.
    private nonisolated func inputs(
        _ prompts: [Prompt],
        options: IdeficsProcessor.Options,
        fetcher: (any ImageFetcher)?
    ) async throws -> IdeficsInputs {
        try await textProcessor.prepare(prompts, options: options, fetcher: fetcher)
    }

    /// The processor.
    ///
    /// - Throws: `IdeficsError.model` when there is none.
    package nonisolated var textProcessor: IdeficsProcessor {
        get throws {
            guard let processor else {
                throw IdeficsError.model(path: directory.path, reason: "has no tokenizer.json or tokenizer.model")
            }
            return processor
        }
    }

    private func run(
        _ inputs: IdeficsInputs,
        config: GenerationConfig,
        yield: (TextGenerationEvent) -> Void
    ) throws {
        let start = ContinuousClock.now
        let session = IdeficsSession(model, keyValueType: cacheType)
        let promptLogits = try session.start(inputs, earlier: lastSequence)
        let promptTime = (ContinuousClock.now - start) / .seconds(1)
        lastSequence = session.sequences.last
        let prompts = session.sequences.map(\.tokenIds)
        let tokenizer = processor?.tokenizer
        let generator = try Generator(
            session: session,
            requests: prompts.map { GenerationRequest(promptTokenIds: $0, config: config) },
            promptLogits: promptLogits.toHost().floatArray(),
            decode: tokenizer.map { tokenizer in { tokenizer.decode(tokenIds: $0, skipSpecialTokens: false) } },
            isCancelled: { Task.isCancelled },
            elapsedSeconds: { (ContinuousClock.now - start) / .seconds(1) }
        )
        var detokenizers: [Row: StreamingDetokenizer] = [:]
        while let events = try generator.next() {
            for event in events {
                switch event {
                case .token(let token):
                    guard let tokenizer else { continue }
                    let row = Row(prompt: token.promptIndex, sequence: token.returnIndex)
                    let text = detokenizers[row, default: StreamingDetokenizer(tokenizer: tokenizer)]
                        .append(token.tokenId)
                    if !text.isEmpty {
                        yield(.text(text, promptIndex: row.prompt, returnIndex: row.sequence))
                    }
                case .finished(let result):
                    let row = Row(prompt: result.promptIndex, sequence: result.returnIndex)
                    if let rest = detokenizers[row]?.finish(), !rest.isEmpty {
                        yield(.text(rest, promptIndex: row.prompt, returnIndex: row.sequence))
                    }
                    let elapsed = (ContinuousClock.now - start) / .seconds(1)
                    yield(
                        .finished(
                            GenerationInfo(
                                promptIndex: row.prompt,
                                returnIndex: row.sequence,
                                tokenIds: result.tokenIds,
                                text: tokenizer?.decode(tokenIds: result.tokenIds, skipSpecialTokens: true) ?? "",
                                score: result.score,
                                promptTokenCount: prompts[row.prompt].count,
                                promptTime: promptTime,
                                generateTime: elapsed - promptTime,
                                stopReason: result.stopReason
                            )
                        )
                    )
                }
            }
        }
        // A single sequence's answer is the next turn's beginning.
        if prompts.count == 1, config.numBeams == 1, session.sequences.count == 1 {
            lastSequence = session.sequences[0]
        }
        try Task.checkCancellation()
    }

    struct Row: Hashable {
        let prompt: Int
        let sequence: Int
    }
}
