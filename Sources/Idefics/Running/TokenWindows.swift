// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsTensor

/// A piece of a long text that a model reads at once, and which of its tokens are scored there.
package struct TokenWindow: Equatable, Sendable {
    /// Its tokens, as places in the text.
    package let range: Range<Int>
    /// The tokens that are scored: a part of `range` without its first token, which nothing predicts.
    package let scored: Range<Int>

    /// A window over `range` that scores `scored`.
    package init(range: Range<Int>, scored: Range<Int>) {
        self.range = range
        self.scored = scored
    }
}

/// The windows of a text: each begins `stride` tokens after the one before and is at most `context` long.
///
/// The sliding window of transformers' documentation ("Perplexity of fixed-length models"): the last window ends with
/// the text, a window scores what no earlier one reached, and a window's first token is never scored. With
/// `stride == context` windows are disjoint; with a smaller one each later window scores its last `stride` tokens, which
/// then have at least `context − stride` tokens before them.
package struct TokenWindows: Sequence, Sendable {
    /// Tokens of the text.
    package let tokenCount: Int
    /// Longest window.
    package let context: Int
    /// Tokens from the beginning of one window to that of the next, at most `context`.
    package let stride: Int

    /// The windows of `tokenCount` tokens.
    package init(tokenCount: Int, context: Int, stride: Int) {
        self.tokenCount = tokenCount
        self.context = context
        self.stride = stride
    }

    /// Tokens that some window scores.
    package var scoredCount: Int { reduce(0) { $0 + $1.scored.count } }

    /// The windows, in order.
    package func makeIterator() -> AnyIterator<TokenWindow> {
        var start = 0
        var scoredEnd = 0
        return AnyIterator {
            guard scoredEnd < tokenCount else { return nil }
            let end = Swift.min(start + context, tokenCount)
            defer {
                start += stride
                scoredEnd = end
            }
            return TokenWindow(range: start..<end, scored: Swift.max(scoredEnd, start + 1)..<end)
        }
    }
}

/// The logits that predict the scored tokens of one window, a few rows at a time.
///
/// The decoder runs when this is made; the head, whose output is by far the largest thing here (200 kB a token with
/// 49,152 pieces), as the rows are asked for. Two models are compared by going through both sequences together.
package struct WindowLogits: Sequence {
    /// Rows of logits at most in memory.
    private static let rowsAtOnce = 128

    private let model: IdeficsModel
    private let scored: Range<Int>
    /// Decoder outputs that predict `scored`, `[scored.count, hidden]`.
    private let hidden: Tensor

    /// Runs the decoder over `window` of a text without images.
    ///
    /// - Precondition: every id is in the vocabulary; the window scores something.
    package init(
        _ model: IdeficsModel,
        tokenIds: [Int],
        window: TokenWindow,
        keyValueType: KeyValueType = .f32
    ) {
        let empty = IdeficsSession.Sequence(cache: model.makeCache(keyValueType))
        let session = IdeficsSession(model, sequences: [empty], keyValueType: keyValueType)
        let all = session.extend([Array(tokenIds[window.range])])
        // A token is predicted by the one before it.
        let first = window.scored.lowerBound - 1 - window.range.lowerBound
        self.model = model
        scored = window.scored
        hidden = all[first..<first + window.scored.count]
    }

    /// Places of tokens in the text, and the logits that predict them, `[targets.count, vocabSize]`.
    package func makeIterator() -> AnyIterator<(targets: Range<Int>, logits: Tensor)> {
        var next = scored.lowerBound
        return AnyIterator {
            guard next < scored.upperBound else { return nil }
            let targets = next..<Swift.min(next + Self.rowsAtOnce, scored.upperBound)
            next = targets.upperBound
            let first = targets.lowerBound - scored.lowerBound
            return (targets, model.logits(hidden[first..<first + targets.count]))
        }
    }
}
