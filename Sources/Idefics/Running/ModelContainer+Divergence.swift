// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import IdeficsTensor

extension ModelContainer {
    /// How this model's predictions of a text differ from those of `reference`, token by token.
    ///
    /// - Parameters:
    ///   - reference: a model with the same tokens.
    ///   - text: the text; see `likelihood(of:context:stride:progress:)`.
    ///   - context: tokens the models read at once, at least 2.
    ///   - stride: tokens from one window to the next, 1 to `context`; nil for `context`.
    ///   - progress: reports how many tokens of how many are scored.
    /// - Returns: both likelihoods, divergence and agreement.
    /// - Throws: `IdeficsError`, when the model has no tokenizer, the reference has other tokens or an argument does not
    ///   fit.
    public func divergence(
        from reference: ModelContainer,
        on text: String,
        context: Int = 1024,
        stride: Int? = nil,
        progress: @Sendable (_ scored: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> TextDivergence {
        let tokenIds = try scoredTokenIds(of: text)
        if reference.processor != nil, try reference.scoredTokenIds(of: text) != tokenIds {
            throw IdeficsError.input(
                field: "reference",
                reason: "\(reference.directory.path) has another tokenizer than \(directory.path)"
            )
        }
        return try divergence(from: reference, onTokens: tokenIds, context: context, stride: stride, progress: progress)
    }

    /// As `divergence(from:on:context:stride:progress:)`, on a text of `tokenIds`.
    ///
    /// Both models read each window; logits are compared a few rows at a time, so that memory does not grow with the
    /// text.
    ///
    /// - Parameters:
    ///   - reference: a model with the same vocabulary.
    ///   - tokenIds: the text, at least two tokens.
    ///   - context: tokens the models read at once, at least 2.
    ///   - stride: tokens from one window to the next, 1 to `context`; nil for `context`.
    ///   - progress: reports how many tokens of how many are scored.
    /// - Returns: both likelihoods, divergence and agreement.
    /// - Throws: `IdeficsError.input` naming what does not fit; `IdeficsError.model` for logits that are no numbers.
    public func divergence(
        from reference: ModelContainer,
        onTokens tokenIds: [Int],
        context: Int = 1024,
        stride: Int? = nil,
        progress: @Sendable (_ scored: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> TextDivergence {
        let windows = try windows(over: tokenIds, context: context, stride: stride ?? context)
        guard reference.config.totalVocabSize == config.totalVocabSize else {
            throw IdeficsError.input(
                field: "reference",
                reason: "has \(reference.config.totalVocabSize) tokens, the model \(config.totalVocabSize)"
            )
        }
        let total = windows.scoredCount
        var scores = [Double?](repeating: nil, count: tokenIds.count)
        var referenceScores = scores
        var (scored, agreeing, divergence) = (0, 0, 0.0)
        for window in windows where !window.scored.isEmpty {
            let pieces = zip(
                WindowLogits(model, tokenIds: tokenIds, window: window, keyValueType: cacheType),
                WindowLogits(
                    reference.model,
                    tokenIds: tokenIds,
                    window: window,
                    keyValueType: reference.cacheType
                )
            )
            for ((targets, logits), (_, expected)) in pieces {
                try Task.checkCancellation()
                let found = try negativeLogLikelihoods(tokenIds[targets], logits)
                let wanted = try reference.negativeLogLikelihoods(tokenIds[targets], expected)
                for (row, target) in targets.enumerated() {
                    scores[target] = found[row]
                    referenceScores[target] = wanted[row]
                }
                let comparison = compare(logits, with: expected)
                divergence += comparison.divergence
                agreeing += comparison.agreeing
                scored += targets.count
                progress(scored, total)
            }
        }
        return TextDivergence(
            likelihood: TextLikelihood(tokenIds: tokenIds, negativeLogLikelihoods: scores),
            referenceLikelihood: TextLikelihood(tokenIds: tokenIds, negativeLogLikelihoods: referenceScores),
            meanDivergence: divergence / Double(total),
            topAgreement: Double(agreeing) / Double(total)
        )
    }

    /// How the rows of `logits`, which have been found to be numbers, differ from those of `expected`.
    ///
    /// - Returns: the sum over the rows of the divergence of softmax(`expected`) from softmax(`logits`), and in how many of
    ///   them the largest logit is the same one.
    private func compare(_ logits: Tensor, with expected: Tensor) -> (divergence: Double, agreeing: Int) {
        let width = logits.shape[1]
        return logits.toHost().withFloats { logits in
            expected.toHost().withFloats { expected in
                var (divergence, agreeing) = (0.0, 0)
                for start in stride(from: 0, to: logits.count, by: width) {
                    // SAFETY: both tensors have rows of `width`, and no pointer leaves the closures.
                    let found = UnsafeBufferPointer(rebasing: logits[start..<start + width])
                    let wanted = UnsafeBufferPointer(rebasing: expected[start..<start + width])
                    divergence += ScoreRow.divergence(wanted, from: found) ?? .nan
                    if ScoreRow.argmax(found) == ScoreRow.argmax(wanted) { agreeing += 1 }
                }
                return (divergence, agreeing)
            }
        }
    }
}
