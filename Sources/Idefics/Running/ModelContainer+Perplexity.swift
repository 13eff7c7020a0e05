// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import IdeficsTensor
import IdeficsTokenizers

extension ModelContainer {
    /// How likely the model finds a text without images, token by token.
    ///
    /// The text is tokenised whole, spaces at its ends included; it begins with the token that begins a text unless the
    /// tokenizer's configuration says that texts do not (`"add_bos_token": false`).
    ///
    /// - Parameters:
    ///   - text: the text.
    ///   - context: tokens the model reads at once, at least 2.
    ///   - stride: tokens from one window to the next, 1 to `context`; nil for `context`, disjoint windows.
    ///   - progress: reports how many tokens of how many are scored.
    /// - Returns: the tokens and the likelihood of each; see `likelihood(ofTokens:context:stride:progress:)`.
    /// - Throws: `IdeficsError`, when the model has no tokenizer or an argument does not fit.
    public func likelihood(
        of text: String,
        context: Int = 1024,
        stride: Int? = nil,
        progress: @Sendable (_ scored: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> TextLikelihood {
        let tokenIds = try scoredTokenIds(of: text)
        return try likelihood(ofTokens: tokenIds, context: context, stride: stride, progress: progress)
    }

    /// The tokens of a text that is scored as it stands.
    nonisolated func scoredTokenIds(of text: String) throws -> [Int] {
        guard let processor else {
            throw IdeficsError.model(path: directory.path, reason: "has no tokenizer.json or tokenizer.model")
        }
        var options = IdeficsProcessor.Options()
        options.stripsSpaces = false
        return processor.tokenizer.encode(
            text: processor.text(of: [.text(text)], options: options),
            addSpecialTokens: false
        )
    }

    /// How likely the model finds each of `tokenIds`.
    ///
    /// The model reads windows of `context` tokens, each `stride` after the one before. A window scores the tokens that
    /// no earlier window reached, except its own first token, which nothing predicts: with disjoint windows one token in
    /// `context` is not scored, with smaller strides only the first of all. This is the sliding window of transformers'
    /// documentation.
    ///
    /// - Parameters:
    ///   - tokenIds: the text, at least two tokens.
    ///   - context: tokens the model reads at once, at least 2.
    ///   - stride: tokens from one window to the next, 1 to `context`; nil for `context`.
    ///   - progress: reports how many tokens of how many are scored.
    /// - Returns: −log p of each scored token, from f32 logits in double precision.
    /// - Throws: `IdeficsError.input` naming what does not fit; `IdeficsError.model` for logits that are no numbers.
    public func likelihood(
        ofTokens tokenIds: [Int],
        context: Int = 1024,
        stride: Int? = nil,
        progress: @Sendable (_ scored: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> TextLikelihood {
        let windows = try windows(over: tokenIds, context: context, stride: stride ?? context)
        let total = windows.scoredCount
        var scores = [Double?](repeating: nil, count: tokenIds.count)
        var scored = 0
        for window in windows where !window.scored.isEmpty {
            let rows = WindowLogits(model, tokenIds: tokenIds, window: window, keyValueType: cacheType)
            for (targets, logits) in rows {
                try Task.checkCancellation()
                for (score, target) in zip(try negativeLogLikelihoods(tokenIds[targets], logits), targets) {
                    scores[target] = score
                }
                scored += targets.count
                progress(scored, total)
            }
        }
        return TextLikelihood(tokenIds: tokenIds, negativeLogLikelihoods: scores)
    }

    /// The windows of `tokenIds`, everything checked.
    func windows(over tokenIds: [Int], context: Int, stride: Int) throws -> TokenWindows {
        guard context >= 2 else {
            throw IdeficsError.input(field: "context", reason: "\(context) is less than 2 tokens")
        }
        guard 1...context ~= stride else {
            throw IdeficsError.input(field: "stride", reason: "\(stride) is not 1 to \(context), the context")
        }
        guard tokenIds.count >= 2 else {
            throw IdeficsError.input(field: "text", reason: "has \(tokenIds.count) tokens; scoring needs two")
        }
        if let wrong = tokenIds.first(where: { $0 < 0 || $0 >= config.totalVocabSize }) {
            throw IdeficsError.input(
                field: "text",
                reason: "token id \(wrong) is not in the model's vocabulary of \(config.totalVocabSize)"
            )
        }
        return TokenWindows(tokenCount: tokenIds.count, context: context, stride: stride)
    }

    /// −log p of `targets` by the rows of `logits` that predict them.
    nonisolated func negativeLogLikelihoods(_ targets: ArraySlice<Int>, _ logits: Tensor) throws -> [Double] {
        let width = logits.shape[1]
        return try logits.toHost().withFloats { floats in
            try targets.enumerated().map { row, tokenId in
                // SAFETY: row < rows of the logits, and no pointer leaves the closure.
                let scores = UnsafeBufferPointer(rebasing: floats[row * width..<(row + 1) * width])
                guard let logSum = ScoreRow.logSumExp(scores), !scores[tokenId].isNaN else {
                    throw IdeficsError.model(path: directory.path, reason: "gives logits that are not numbers")
                }
                return logSum - Double(scores[tokenId])
            }
        }
    }
}
