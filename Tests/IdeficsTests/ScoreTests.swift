// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsGeneration
import IdeficsImages
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// What `score` scores.
@Suite struct ScoreTests {
    private let container: ModelContainer
    private let processor: IdeficsProcessor

    init() throws {
        container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        processor = try #require(container.processor)
    }

    private func scores(_ ids: [Int], last count: Int, inputs: IdeficsInputs) throws -> [Float] {
        let logits = try container.model.forward(inputs).logits
        let width = logits.shape[2]
        let first = ids.count - count
        return try ContinuationScore(
            tokenIds: Array(ids[first...]),
            logits: Array(logits.floatArray()[(first - 1) * width..<(ids.count - 1) * width]),
            vocabSize: width
        ).logProbs
    }

    /// A prompt that is cut ends where it is cut: only the continuation's tokens are scored after it.
    @Test func aPromptThatIsCut() async throws {
        let prompt: Prompt = [.text("User: what is in this picture of the world?")]
        var options = IdeficsProcessor.Options()
        options.isTruncating = true
        options.maxLength = 6
        let score = try #require(await container.score(prompt, continuations: [" a cat"], options: options).first)
        let whole = try #require(try await processor.prepare([prompt]).inputIds.intArray())
        let with = processor.tokenizer.encode(text: processor.text(of: prompt) + " a cat", addSpecialTokens: false)
        let added = Array(with[whole.count...])
        #expect(with.prefix(whole.count) == whole[...])
        #expect(score.logProbs.count == added.count)
        let ids = whole.prefix(6) + added
        let inputs = IdeficsInputs(
            inputIds: Tensor(Array(ids), shape: [1, ids.count]),
            attentionMask: nil,
            imageAttentionMask: Tensor(Array(repeating: 0, count: ids.count), shape: [1, ids.count, 1]),
            images: .pixelValues(Tensor.zeros([1, 1, 3, 56, 56]))
        )
        let reference = try scores(Array(ids), last: added.count, inputs: inputs)
        #expect(maxDifference(score.logProbs, reference) <= 1e-5)
    }

    /// After an end of text a continuation sees no image, as in the processor's mask; long ones are scored in parts.
    @Test(arguments: ["</s> and more", "</s>" + String(repeating: " what is it", count: 60)])
    func afterAnEndOfText(continuation: String) async throws {
        let image = ImageSource.file(Fixtures.url("processor/images/rgb.png"))
        let prompt: Prompt = [.text("User:"), .image(image), .text("Describe")]
        let score = try #require(await container.score(prompt, continuations: [continuation]).first)
        let inputs = try await processor.prepare([[.text("User:"), .image(image), .text("Describe" + continuation)]])
        let ids = try #require(inputs.inputIds.intArray())
        let reference = try scores(ids, last: score.logProbs.count, inputs: inputs)
        #expect(maxDifference(score.logProbs, reference) <= 1e-5)
        #expect(abs(score.logProbs.reduce(0) { $0 + Double($1) } - score.sum) <= 1e-4 * Double(score.logProbs.count))
    }

    @Test func paddingToAHugeLengthIsRefused() async throws {
        for length in [100_000_000_000, Int.max, Int.max / 8] {
            var options = IdeficsProcessor.Options()
            options.padding = .maxLength
            options.maxLength = length
            let error = await #expect(throws: IdeficsError.self) {
                try await processor.prepare([[.text("hi")]], options: options)
            }
            #expect(error?.description.contains("--max-prompt-length") == true)
        }
        var options = IdeficsProcessor.Options()
        options.maxBatchBytes = 1 << 16
        let pixels = try RGBImage(width: 1, height: 1, pixels: [1, 2, 3])
        let prompts = Array(repeating: Prompt([.image(.image(pixels))]), count: 2)
        let error = await #expect(throws: IdeficsError.self) {
            try await processor.prepare(prompts, options: options)
        }
        #expect(error?.description.contains("--max-batch-bytes") == true)
    }

    /// What is kept of a prompt until its turn is its images at the model's size; the inputs are the same.
    @Test func imagesAreKeptAtTheModelsSize() async throws {
        let prompt: Prompt = [.text("a"), .image(.file(Fixtures.url("processor/images/photo_420.jpg"))), .text("b")]
        var options = IdeficsProcessor.Options()
        options.imageSize = 40
        let loaded = try await processor.loadImages(of: prompt, options: options)
        guard case .image(.image(let image)) = loaded.items[1] else {
            Issue.record("the image is not decoded")
            return
        }
        #expect(image.width == 40 && image.height == 40)
        let direct = try await processor.prepare([prompt], options: options)
        let later = try await processor.prepare([loaded], options: options)
        #expect(direct.images.tensor.floatArray() == later.images.tensor.floatArray())
        #expect(direct.inputIds.intArray() == later.inputIds.intArray())
    }
}
