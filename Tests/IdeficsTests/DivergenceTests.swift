// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Perplexity beside a reference.
@Suite struct DivergenceTests {
    private static let tokenIds = (0..<300).map { 3 + $0 * 37 % 490 }

    @Test func aModelAgreesWithItself() async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let other = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let found = try await container.divergence(from: other, onTokens: Self.tokenIds, context: 100, stride: 40)
        #expect(found.meanDivergence == 0)
        #expect(found.topAgreement == 1)
        #expect(found.relativeLoss == 0)
        #expect(
            try await found.likelihood
                == container.likelihood(ofTokens: Self.tokenIds, context: 100, stride: 40)
        )
        #expect(found.referenceLikelihood == found.likelihood)
    }

    /// log p of every token after each of `tokenIds`, in double precision.
    private func logProbabilities(_ model: IdeficsModel, _ tokenIds: [Int]) throws -> [[Double]] {
        let inputs = IdeficsInputs(
            inputIds: Tensor(tokenIds, shape: [1, tokenIds.count]),
            attentionMask: nil,
            imageAttentionMask: Tensor(Array(repeating: 0, count: tokenIds.count), shape: [1, tokenIds.count, 1]),
            images: .pixelValues(Tensor.zeros([1, 1, 3, 56, 56]))
        )
        let logits = try model.forward(inputs).logits
        let (values, width) = (logits.floatArray(), logits.shape[2])
        return tokenIds.indices.map { place in
            let row = values[place * width..<(place + 1) * width].map(Double.init)
            let largest = row.max() ?? 0
            let logSum = largest + log(row.reduce(0) { $0 + exp($1 - largest) })
            return row.map { $0 - logSum }
        }
    }

    /// Against sums over whole distributions; the model is a coarse copy of the reference.
    @Test func divergenceIsTheSumOverTheVocabulary() async throws {
        let folder = try TemporaryFolder()
        let output = folder.url.appending(path: "model")
        try ModelQuantization(directory: Fixtures.url("f7-e2e"), options: QuantizationOptions(.int4)).write(to: output)
        let container = try ModelContainer(directory: output)
        let reference = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let found = try await container.divergence(from: reference, onTokens: Self.tokenIds)

        let q = try logProbabilities(container.model, Self.tokenIds).dropLast()
        let p = try logProbabilities(reference.model, Self.tokenIds).dropLast()
        let divergences = zip(p, q).map { p, q in zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) } }
        let mean = divergences.reduce(0, +) / Double(divergences.count)
        let agreeing = zip(p, q).count { p, q in p.firstIndex(of: p.max() ?? 0) == q.firstIndex(of: q.max() ?? 0) }
        #expect(mean > 1e-4)
        #expect(abs(found.meanDivergence / mean - 1) < 1e-3, "\(found.meanDivergence), not \(mean)")
        #expect(abs(found.topAgreement - Double(agreeing) / Double(p.count)) < 1e-9)
        let scores = zip(q, Self.tokenIds.dropFirst()).map { -$0[$1] }
        #expect(abs(found.likelihood.meanNegativeLogLikelihood - scores.reduce(0, +) / Double(scores.count)) < 1e-5)
        let loss = found.likelihood.perplexity / found.referenceLikelihood.perplexity - 1
        #expect(abs(found.relativeLoss - loss) < 1e-12 && loss != 0)
    }

    @Test func aReferenceOfAnotherVocabularyIsRefused() async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let other = try ModelContainer(directory: Fixtures.url("f3-noqk-noextra"))
        let error = await #expect(throws: IdeficsError.self) {
            try await container.divergence(from: other, onTokens: [1, 2, 3])
        }
        #expect(error?.description.contains("reference") == true)
    }
}
