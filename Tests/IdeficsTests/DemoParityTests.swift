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

/// The demo model, real weights in bf16, against transformers on the same weights (`Tools/make_golden_demo.py`).
///
/// Runs where the model has been made (`make demo-model`, which `make test` tries first).
@Suite(.serialized, .enabled(if: (try? ApplicationCache().demoModel()) != nil, "make demo-model makes it"))
struct DemoParityTests {
    let container: ModelContainer
    let golden: GoldenJSON

    init() throws {
        container = try ModelContainer(directory: ApplicationCache().demoModel())
        golden = try GoldenJSON("demo/golden.json")
    }

    /// Over the language model's own vocabulary the likelihoods are transformers'; the two added tokens, whose untrained
    /// embeddings are random, take a share of each probability, so over all tokens none is likelier.
    @Test func perplexity() async throws {
        let text = String(decoding: try Fixtures.data("demo/text.txt"), as: UTF8.self)
        let expected = try #require(golden.language?.text)
        let scores = try #require(expected.nll?.floats)
        let likelihood = try await container.likelihood(of: text)
        let ids = likelihood.tokenIds
        #expect(ids == expected.ids?.ints)

        let own = try ownLikelihoods(ids)
        #expect(own.count == scores.count)
        let difference = zip(own, scores).map { abs($0 - $1) }.max() ?? .infinity
        let perplexity = exp(own.reduce(0) { $0 + Double($1) } / Double(own.count))
        print(
            """
            demo model: perplexity \(perplexity), largest difference of a token \(difference); \
            \(likelihood.perplexity) with the added tokens
            """
        )
        #expect(difference < 1e-4)
        #expect(abs(perplexity - (try #require(expected.perplexity?.double))) < 1e-3)

        let all = likelihood.negativeLogLikelihoods
        #expect(all.count == scores.count + 1 && all[0] == nil)
        let smallest = zip(all.dropFirst(), scores).map { Float($0 ?? -.infinity) - $1 }.min() ?? -.infinity
        #expect(smallest > -1e-4)
        #expect(likelihood.perplexity < perplexity * 1.001)
    }

    /// −log p of each token but the first, over the vocabulary without added tokens.
    private func ownLikelihoods(_ ids: [Int]) throws -> [Float] {
        let config = container.config
        let size = config.visionConfig.imageSize
        let output = try container.model.forward(
            IdeficsInputs(
                inputIds: Tensor(ids, shape: [1, ids.count]),
                attentionMask: nil,
                imageAttentionMask: Tensor(Array(repeating: 0, count: ids.count), shape: [1, ids.count, 1]),
                images: .pixelValues(Tensor.zeros([1, 1, 3, size, size]))
            )
        )
        let columns = config.totalVocabSize
        return output.logits.withFloats { logits in
            ids.indices.dropLast().map { row in
                let scores = logits[row * columns..<row * columns + config.vocabSize]
                let largest = Double(scores.max() ?? 0)
                let sum = scores.reduce(0) { $0 + exp(Double($1) - largest) }
                return Float(largest + log(sum) - Double(logits[row * columns + ids[row + 1]]))
            }
        }
    }

    /// Continuations are equal up to the first step at which the reference's two best tokens are within float rounding
    /// of each other.
    @Test func greedyContinuations() async throws {
        let prompts = try #require(golden.language?.prompts).elements + #require(golden.language?.chats).elements
        var equal = 0
        var total = 0
        for item in prompts {
            let prompt = try #require(item.prompt?.string)
            let expected = try #require(item.greedy?.ids?.ints)
            let gaps = try #require(item.greedy?.top2_gaps?.floats)
            var config = GenerationConfig()
            config.maxNewTokens = expected.count
            config.eosTokenId = []
            var options = IdeficsProcessor.Options()
            options.stripsSpaces = false
            var ids: [Int] = []
            for try await event in container.generate([.text(prompt)], config: config, options: options) {
                if case .finished(let info) = event { ids = info.tokenIds }
            }
            let safe = gaps.firstIndex { $0 < 1e-3 } ?? expected.count
            #expect(Array(ids.prefix(safe)) == Array(expected.prefix(safe)), "\(prompt)")
            equal += zip(ids, expected).prefix { $0 == $1 }.count
            total += expected.count
        }
        print("demo model: \(equal) of \(total) greedy tokens equal")
        #expect(total == 360)
    }

    /// The chat template's text and ids, found by the fixed ChatML format.
    @Test func chatsAreWrittenAsTheTemplateWritesThem() throws {
        let tokenizer = try #require(container.processor?.tokenizer)
        let format = ChatFormat(tokenizer: tokenizer)
        for chat in try #require(golden.language?.chats).elements {
            let messages = try #require(chat.messages).elements.map {
                ChatMessage(
                    role: try #require(ChatMessage.Role(rawValue: $0.role?.string ?? "")),
                    text: $0.content?.string ?? ""
                )
            }
            let prompt = Prompt(conversation: messages, format: format)
            let text = try #require(container.processor).text(
                of: prompt,
                options: format.processorOptions(over: .init())
            )
            #expect(text == chat.prompt?.string)
            #expect(tokenizer.encode(text: text, addSpecialTokens: false) == chat.prompt_ids?.ints)
        }
    }

    @Test func visionFeatures() async throws {
        let photo = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "docs/images/cat.jpg")
        let inputs = try await #require(container.processor).prepare([[.image(.file(photo))]])
        let pixels = inputs.images.tensor
        let sum = pixels.floatArray().reduce(0) { $0 + Double($1) }
        #expect(abs(sum - (try #require(golden.vision?.pixel_sum?.double))) < 0.01)
        let features = try container.model.visionModel(pixels.reshaped(Array(pixels.shape.dropFirst())))
        let step = try #require(golden.vision?.token_step?.int)
        let rows = features.reshaped(Array(features.shape.dropFirst()))
        let chosen = gatherRows(rows, Array(stride(from: 0, to: rows.shape[0], by: step)))
        let expected = try #require(FixtureTensors("demo/features.safetensors").floats("bf16_folded"))
        let difference = maxDifference(chosen.floatArray(), expected)
        print("demo model: vision features, largest difference \(difference)")
        #expect(difference < 1e-4)
    }
}
