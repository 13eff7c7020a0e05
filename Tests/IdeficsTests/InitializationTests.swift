// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsGeneration
import IdeficsImages
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Two tiny backbones joined, against what transformers computes with each of them (`Tools/make_golden_init.py`).
@Suite struct InitializationTests {
    let folder: TemporaryFolder
    let output: URL

    init() throws {
        folder = try TemporaryFolder()
        output = folder.url.appending(path: "model")
    }

    /// Options for backbones with four layers.
    static var options: InitializationOptions {
        var options = InitializationOptions()
        options.crossLayerInterval = 2
        options.dtype = .f32
        options.perceiver.resamplerDepth = 2
        options.perceiver.resamplerNLatents = 5
        options.perceiver.resamplerNHeads = 2
        options.perceiver.resamplerHeadDim = 12
        return options
    }

    func make(
        _ language: String = "llama-gqa",
        _ vision: String = "clip",
        _ options: InitializationOptions = options
    ) throws -> ModelFiles {
        try ModelInitialization(
            languageModel: Fixtures.url("init/\(language)"),
            visionModel: Fixtures.url("init/\(vision)"),
            options: options
        ).write(to: output, replacesExisting: true)
        return ModelFiles(directory: output)
    }

    func texts(of language: String) throws -> [GoldenJSON] {
        try #require(GoldenJSON("init/\(language)/golden.json").texts).elements
    }

    /// The largest difference of the new model's text logits from the language model's, over all texts; an image is
    /// shown with every token, and with closed gates must not be seen.
    func textDifference(_ files: ModelFiles, _ language: String) throws -> Float {
        let config = try files.config()
        let (model, unexpected, _) = try files.model(config)
        #expect(unexpected.isEmpty)
        let golden = try FixtureTensors("init/\(language)/golden.safetensors")
        let size = config.visionConfig.imageSize
        let pixels = Tensor((0..<3 * size * size).map { Float($0 % 7) - 3 }, shape: [1, 1, 3, size, size])
        var largest: Float = 0
        for (index, text) in try texts(of: language).enumerated() {
            let ids = try #require(text.ids?.ints)
            let expected = try #require(golden.floats("logits.\(index)"))
            let output = try model.forward(
                IdeficsInputs(
                    inputIds: Tensor(ids, shape: [1, ids.count]),
                    attentionMask: nil,
                    imageAttentionMask: Tensor(Array(repeating: 1, count: ids.count), shape: [1, ids.count, 1]),
                    images: .pixelValues(pixels)
                )
            )
            let columns = config.totalVocabSize
            let found = output.logits.floatArray()
            let shared = (0..<ids.count).flatMap { found[$0 * columns..<$0 * columns + config.vocabSize] }
            #expect(!found.contains { !$0.isFinite })
            largest = max(largest, maxDifference(shared, expected))
        }
        return largest
    }

    /// The same weights in another order of sums: float rounding of logits up to 8.
    @Test(arguments: [("llama-gqa", false), ("llama-gqa", true), ("llama-untied", false)])
    func closedGatesLeaveTheLanguageModelAsItWas(language: String, isExpanded: Bool) throws {
        var options = Self.options
        options.expandsKeyValueHeads = isExpanded
        let files = try make(language, "clip", options)
        let difference = try textDifference(files, language)
        print("idefics init, \(language), text logits: largest difference \(difference)")
        #expect(difference < 2e-5)
        let config = try files.config()
        #expect(config.numKeyValueHeads == (isExpanded || language == "llama-untied" ? 4 : 2))
        #expect(config.tieWordEmbeddings == (language == "llama-gqa"))
        #expect(config.ropeTheta == (language == "llama-gqa" ? 100_000 : 10_000))
    }

    /// A gate that is open must change the logits, or the test above could not fail.
    @Test func openGatesShow() throws {
        var options = Self.options
        options.alphaInitializer = "ones"
        #expect(try textDifference(make("llama-gqa", "clip", options), "llama-gqa") > 1e-2)
    }

    @Test(arguments: [
        ("clip", "all", nil, nil), ("clip-full", "all", nil, nil), ("openclip", "all", nil, nil),
        ("dinov2", "all", nil, nil), ("dinov2", "all_56", nil, 56), ("dinov2", "all_84", nil, 84),
        ("dinov2", "first_3_56", 3, 56),
    ])
    func visionTowersKeepTheirFeatures(vision: String, name: String, layers: Int?, imageSize: Int?) throws {
        var options = Self.options
        options.visionLayers = layers
        options.imageSize = imageSize
        let files = try make("llama-gqa", vision, options)
        let config = try files.config()
        let golden = try FixtureTensors("init/\(vision)/golden.safetensors")
        // Pictures do not depend on how many layers are kept.
        let pixelName = golden.shape("\(name).pixel_values") == nil ? "all_56" : name
        let pixels = Tensor(
            try #require(golden.floats("\(pixelName).pixel_values")),
            shape: try #require(golden.shape("\(pixelName).pixel_values"))
        )
        let features = try files.model(config).model.visionModel(pixels)
        let expected = try #require(golden.floats("\(name).features"))
        #expect(features.shape == golden.shape("\(name).features"))
        #expect(maxDifference(features.floatArray(), expected) < 1e-4)
        #expect(config.visionConfig.usePreLayerNorm == (vision != "dinov2"))
    }

    /// The whole model with open gates and an image, against transformers loading the same directory without a missing
    /// or unexpected key (`Tools/make_golden_joined.py`).
    @Test func transformersComputesTheSame() throws {
        var options = Self.options
        options.alphaInitializer = "ones"
        options.expandsKeyValueHeads = true
        options.addsEndOfUtterance = true
        options.seed = 7
        let files = try make("llama-gqa", "clip-full", options)
        let golden = try FixtureTensors("init/joined/golden.safetensors")
        let ids = try #require(golden.integers("input_ids"))
        let output = try files.model(files.config()).model.forward(
            IdeficsInputs(
                inputIds: Tensor(ids, shape: [1, ids.count]),
                attentionMask: nil,
                imageAttentionMask: Tensor(Array(repeating: 1, count: ids.count), shape: [1, ids.count, 1]),
                images: .pixelValues(
                    Tensor(
                        try #require(golden.floats("pixel_values")),
                        shape: try #require(golden.shape("pixel_values"))
                    )
                )
            )
        )
        let difference = try maxDifference(output.logits.floatArray(), #require(golden.floats("logits")))
        print("idefics init, joined, logits: largest difference \(difference)")
        #expect(difference < 5e-5)
    }

    @Test func tokenizerKnowsTheNewTokens() throws {
        for language in ["llama-gqa", "llama-untied"] {
            var options = Self.options
            options.addsEndOfUtterance = true
            let files = try make(language, "clip", options)
            let config = try files.config()
            let tokenizer = try files.tokenizer()
            let names = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
            #expect(config.additionalVocabSize == 3)
            #expect(tokenizer.vocabSize == config.totalVocabSize)
            #expect(names.map { tokenizer.convertTokenToId($0) } == (0..<3).map { config.vocabSize + $0 })
            #expect(tokenizer.additionalSpecialTokens == names)
            for text in try texts(of: language) {
                let string = try #require(text.text?.string)
                #expect(tokenizer.encode(text: string, addSpecialTokens: false) == text.ids?.ints)
            }
            let ids = tokenizer.encode(text: "a<image>a", addSpecialTokens: false)
            #expect(ids.contains(config.vocabSize + 1))
            #expect(tokenizer.decode(tokenIds: ids, skipSpecialTokens: true) == "aa")
            // The end of a turn must not end a document: behind that, images are not seen.
            #expect(tokenizer.eosToken == "<|endoftext|>" && config.eosTokenIds == [0])
            let generation = try files.generationConfig(for: config)
            #expect(generation.eosTokenId == [config.vocabSize + 2, 2, 0])
            #expect(generation.padTokenId == 2)
        }
    }

    @Test func imagesReachTheAnswerOfAChat() async throws {
        let files = try make("llama-gqa", "clip")
        let container = try ModelContainer(directory: output)
        let processor = try #require(container.processor)
        #expect(try processor.imageProcessor == files.imageProcessor())
        let prompt: Prompt = [
            .text("<|im_start|>user\n"), .image(.file(Fixtures.url("processor/images/rgb.png"))),
            .text("a<|im_end|>\n<|im_start|>assistant\n"),
        ]
        let inputs = try await processor.prepare([prompt])
        let mask = try #require(inputs.imageAttentionMask.intArray())
        #expect(mask.last == 1 && mask.first == 0)
    }

    @Test func newParametersAreThoseOfTheOriginalTraining() throws {
        var options = Self.options
        options.alphaInitializer = "normal"
        options.alphasInitializerRange = 0.5
        options.alphaType = "vector"
        _ = try make("llama-gqa", "clip", options)
        let checkpoint = try Checkpoint(directory: output)
        func values(_ name: String) throws -> [Float] { try checkpoint.tensor(named: name).floatArray() }
        func std(_ name: String) throws -> Float {
            let values = try values(name)
            let mean = values.reduce(0, +) / Float(values.count)
            #expect(abs(mean) < 4 * (values.map { $0 * $0 }.reduce(0, +)).squareRoot() / Float(values.count))
            return (values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Float(values.count)).squareRoot()
        }
        let cross = "model.gated_cross_attn_layers.1."
        let perceiver = "model.perceiver_resampler."
        // Widths 32 (decoder), 48 (its network), 24 (vision); four layers.
        let expectations: [(String, Double)] = [
            (cross + "cross_attn.q_proj.weight", 0.4 / 32), (cross + "cross_attn.k_proj.weight", 0.4 / 24),
            (cross + "mlp.up_proj.weight", 0.4 / 32), (cross + "mlp.down_proj.weight", 0.4 / 48 / 8),
            (perceiver + "blocks.1.0.q_proj.weight", 0.4 / 24), (perceiver + "blocks.1.1.fc.weight", 0.4 / 24),
            (perceiver + "blocks.0.1.c_proj.weight", 0.4 / 24 / 8), (cross + "alpha_dense", 0.25),
        ]
        for (name, expected) in expectations {
            let ratio = try std(name) / Float(expected).squareRoot()
            // Enough numbers for 10 %, but for gates: 32 of them.
            #expect(abs(ratio - 1) < (name.hasSuffix("alpha_dense") ? 0.5 : 0.1), "\(name): \(ratio)")
        }
        let latents = try std(perceiver + "latents") / Float(1.0 / 24).squareRoot()
        #expect(abs(latents - 1) < 0.3)
        let added = try std("model.embed_tokens.additional_embedding.weight") / Float(1.0 / 32).squareRoot()
        #expect(abs(added - 1) < 0.4)
        #expect(try Set(values(perceiver + "layer_norm.weight")) == [1])
        #expect(try Set(values(perceiver + "blocks.0.1.ln.bias")) == [0])
        #expect(try Set(values(cross + "cross_attn.q_layer_norm.weight")) == [1])
        #expect(try values(cross + "cross_attn.q_proj.weight") != values(cross + "cross_attn.o_proj.weight"))
    }

    @Test func seedDecidesEverythingNew() throws {
        func bytes(seed: UInt64) throws -> Data {
            var options = Self.options
            options.seed = seed
            _ = try make("llama-gqa", "clip", options)
            return try Data(contentsOf: output.appending(path: "model.safetensors"))
        }
        let first = try bytes(seed: 1)
        #expect(try bytes(seed: 1) == first)
        #expect(try bytes(seed: 2) != first)
    }

    @Test func shardsHoldTheSameTensors() throws {
        _ = try make()
        let whole = try Checkpoint(directory: output)
        let tensors = try whole.tensorNames.map { ($0, try whole.tensor(named: $0).floatArray()) }
        var options = Self.options
        options.shardByteCount = 100_000
        _ = try make("llama-gqa", "clip", options)
        let sharded = try Checkpoint(directory: output)
        #expect(sharded.weightFileNames.count > 3)
        #expect(sharded.tensorNames == tensors.map(\.0))
        for (name, values) in tensors { #expect(try sharded.tensor(named: name).floatArray() == values) }
    }

    // MARK: - What is refused

    /// A copy of a backbone with `file` edited.
    func backbone(_ name: String, _ file: String, _ old: String, _ new: String) throws -> URL {
        let copy = folder.url.appending(path: "copy-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: Fixtures.url("init/\(name)"), to: copy)
        let url = copy.appending(path: file)
        let text = try String(contentsOf: url, encoding: .utf8)
        #expect(text.contains(old))
        try Data(text.replacing(old, with: new).utf8).write(to: url)
        return copy
    }

    func problem(language: URL? = nil, vision: URL? = nil, _ options: InitializationOptions = options) -> String {
        let error = #expect(throws: (any Error).self) {
            try ModelInitialization(
                languageModel: language ?? Fixtures.url("init/llama-gqa"),
                visionModel: vision ?? Fixtures.url("init/clip"),
                options: options
            )
        }
        return error.map { "\($0)" } ?? ""
    }

    @Test(arguments: [
        ("\"model_type\": \"llama\"", "\"model_type\": \"gpt2\"", "model_type"),
        ("\"attention_bias\": false", "\"attention_bias\": true", "attention_bias"),
        ("\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "hidden_act"),
        ("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3", "cross_layer_interval"),
        ("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 6", "model.layers.4.self_attn.q_proj.weight is missing"),
        ("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 2", "has no place in IDEFICS"),
        ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "num_key_value_heads"),
        ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 4", "expected [32, 32]"),
        ("\"rope_type\": \"default\"", "\"rope_type\": \"llama3\"", "rope_type"),
    ])
    func languageModelsThatDoNotFit(old: String, new: String, found: String) throws {
        let text = problem(language: try backbone("llama-gqa", "config.json", old, new))
        #expect(text.contains(found), "\(text)")
    }

    @Test func visionModelsThatDoNotFit() throws {
        let siglip = try backbone("clip", "config.json", "clip_vision_model", "siglip_vision_model")
        #expect(problem(vision: siglip).contains("siglip_vision_model"))
        let glu = try backbone("dinov2", "config.json", "\"use_swiglu_ffn\": false", "\"use_swiglu_ffn\": true")
        #expect(problem(vision: glu).contains("use_swiglu_ffn"))
        #expect(problem(vision: folder.url).contains("has neither config.json"))
        var options = Self.options
        options.visionLayers = 9
        #expect(problem(options).contains("9 layers were asked for, there are 3"))
        options = Self.options
        options.imageSize = 5
        #expect(problem(options).contains("image_size"))
    }

    @Test func tokenizersThatDoNotFit() throws {
        let config = try backbone("llama-gqa", "tokenizer.json", "\"<|im_start|>\"", "\"<image>\"")
        #expect(problem(language: config).contains("has a token <image> already"))
    }

    /// Nothing is lost when the output cannot be made, and nothing half is left.
    @Test func outputIsWholeOrAbsent() throws {
        let initialization = try ModelInitialization(
            languageModel: Fixtures.url("init/llama-gqa"),
            visionModel: Fixtures.url("init/clip"),
            options: Self.options
        )
        try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: output.appending(path: "notes.txt"))
        #expect(throws: FileError.self) { try initialization.write(to: output) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: output.path) == ["notes.txt"])
        #expect(try folder.fileNames == ["model"])
        // What is no model is not replaced even then.
        #expect(throws: FileError.self) { try initialization.write(to: output, replacesExisting: true) }
        try Data("{}".utf8).write(to: output.appending(path: "config.json"))
        // Nor is a file beside a model's that is none of them.
        #expect(throws: FileError.self) { try initialization.write(to: output, replacesExisting: true) }
        #expect(FileManager.default.fileExists(atPath: output.appending(path: "notes.txt").path))
        try FileManager.default.removeItem(at: output.appending(path: "notes.txt"))
        try initialization.write(to: output, replacesExisting: true)
        #expect(try folder.fileNames == ["model"])
        #expect(FileManager.default.fileExists(atPath: output.appending(path: "model.safetensors").path))
    }
}
