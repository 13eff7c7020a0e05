// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsGeneration
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

@Suite struct PerplexityTests {
    // MARK: - Windows

    @Test func disjointWindowsLeaveTheirFirstTokenOut() {
        let windows = Array(TokenWindows(tokenCount: 9, context: 4, stride: 4))
        #expect(windows.map(\.range) == [0..<4, 4..<8, 8..<9])
        #expect(windows.map(\.scored) == [1..<4, 5..<8, 9..<9])
        #expect(TokenWindows(tokenCount: 9, context: 4, stride: 4).scoredCount == 6)
    }

    @Test func slidingWindowsScoreEveryTokenButTheFirst() {
        let windows = Array(TokenWindows(tokenCount: 9, context: 4, stride: 2))
        #expect(windows.map(\.range) == [0..<4, 2..<6, 4..<8, 6..<9])
        #expect(windows.map(\.scored) == [1..<4, 4..<6, 6..<8, 8..<9])
    }

    /// The loop of transformers' documentation, counted for many sizes.
    @Test func windowsAreThoseOfTransformersDocumentation() {
        for (count, context) in (2...20).flatMap({ count in (2...9).map { (count, $0) } }) {
            for stride in 1...context {
                var expected: [TokenWindow] = []
                var (begin, previousEnd) = (0, 0)
                while begin < count {
                    let end = min(begin + context, count)
                    let targets = end - previousEnd
                    // Labels are shifted: the window's first token has no prediction.
                    let scored = max(end - targets, begin + 1)..<end
                    expected.append(TokenWindow(range: begin..<end, scored: scored))
                    previousEnd = end
                    if end == count { break }
                    begin += stride
                }
                let windows = TokenWindows(tokenCount: count, context: context, stride: stride)
                #expect(Array(windows) == expected, "\(count) tokens, context \(context), stride \(stride)")
            }
        }
    }

    // MARK: - Scores

    private static let tokenIds = (0..<300).map { 3 + $0 * 37 % 490 }

    /// −log p of each token of `tokenIds` from logits of one whole pass, in double precision.
    private func reference(_ model: IdeficsModel, _ tokenIds: ArraySlice<Int>) throws -> [Double] {
        let ids = Array(tokenIds)
        let inputs = IdeficsInputs(
            inputIds: Tensor(ids, shape: [1, ids.count]),
            attentionMask: nil,
            imageAttentionMask: Tensor(Array(repeating: 0, count: ids.count), shape: [1, ids.count, 1]),
            images: .pixelValues(Tensor.zeros([1, 1, 3, 56, 56]))
        )
        let logits = try model.forward(inputs).logits
        let (values, width) = (logits.floatArray(), logits.shape[2])
        return ids.indices.dropFirst().map { place in
            let row = values[(place - 1) * width..<place * width].map(Double.init)
            let largest = row.max() ?? 0
            return largest + log(row.reduce(0) { $0 + exp($1 - largest) }) - row[ids[place]]
        }
    }

    @Test(arguments: [(300, 300), (1000, 1000), (160, 160), (140, 30), (2, 1)])
    func scoresAreThoseOfWholePasses(context: Int, stride: Int) async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let progress = Locked<[Int]>([])
        let found = try await container.likelihood(ofTokens: Self.tokenIds, context: context, stride: stride) {
            scored,
            total in
            progress.withLock { $0.append(total - scored) }
        }
        var expected = [Double?](repeating: nil, count: Self.tokenIds.count)
        for window in TokenWindows(tokenCount: Self.tokenIds.count, context: context, stride: stride) {
            let scores = try reference(container.model, Self.tokenIds[window.range])
            for place in window.scored { expected[place] = scores[place - window.range.lowerBound - 1] }
        }
        #expect(found.tokenIds == Self.tokenIds)
        for (found, expected) in zip(found.negativeLogLikelihoods, expected) {
            #expect((found == nil) == (expected == nil))
            #expect(abs((found ?? 0) - (expected ?? 0)) <= 1e-5)
        }
        let left = progress.withLock { $0 }
        #expect(left.last == 0 && left == left.sorted(by: >))
        let scores = expected.compactMap { $0 }
        #expect(found.scoredTokenCount == scores.count)
        let mean = scores.reduce(0, +) / Double(scores.count)
        #expect(abs(found.meanNegativeLogLikelihood - mean) <= 1e-6)
        #expect(abs(found.perplexity / exp(mean) - 1) <= 1e-6)
    }

    /// Windows from the lowest to the highest place, whatever the size of the pieces of the head.
    @Test func logitsComeInPieces() throws {
        let model = try fixtureModel("f7-e2e")
        let window = TokenWindow(range: 10..<290, scored: 20..<290)
        var next = 20
        for (targets, logits) in WindowLogits(model, tokenIds: Self.tokenIds, window: window) {
            #expect(targets.lowerBound == next && targets.count <= 128)
            #expect(logits.shape == [targets.count, model.config.totalVocabSize])
            next = targets.upperBound
        }
        #expect(next == 290)
    }

    // MARK: - Text

    @Test func theTextIsReadAsItStands() async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let text = "  Hello world \n"
        let tokenizer = try #require(container.processor?.tokenizer)
        let found = try await container.likelihood(of: text)
        #expect(found.tokenIds == tokenizer.encode(text: "<s>" + text, addSpecialTokens: false))
        #expect(found.negativeLogLikelihoods.first == .some(nil))
        #expect(found.scoredTokenCount == found.tokenIds.count - 1)
    }

    @Test func whatDoesNotFitIsNamed() async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        func field(_ tokenIds: [Int], context: Int = 4, stride: Int? = nil) async -> String? {
            do {
                _ = try await container.likelihood(ofTokens: tokenIds, context: context, stride: stride)
                return nil
            } catch {
                guard case IdeficsError.input(let field, _) = error else { return "\(error)" }
                return field
            }
        }
        #expect(await field([1, 2, 3]) == nil)
        #expect(await field([1, 2, 3], context: 1) == "context")
        #expect(await field([1, 2, 3], stride: 0) == "stride")
        #expect(await field([1, 2, 3], stride: 5) == "stride")
        #expect(await field([]) == "text")
        #expect(await field([1]) == "text")
        #expect(await field([1, 503]) == "text")
        #expect(await field([1, -1]) == "text")
        let withoutTokenizer = try ModelContainer(directory: Fixtures.url("f1-resampler-qk"))
        await #expect(throws: IdeficsError.self) { try await withoutTokenizer.likelihood(of: "text") }
    }
}
