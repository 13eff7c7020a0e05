// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import IdeficsGeneration
public import IdeficsImages
import IdeficsTensor
import IdeficsTokenizers

extension ModelContainer {
    /// How likely the model finds each of several continuations of a prompt; the prompt is run once.
    ///
    /// - Parameters:
    ///   - prompt: text and images.
    ///   - continuations: texts that could follow; each is tokenised together with the prompt's text.
    ///   - options: how the prompt is processed.
    ///   - fetcher: gets images by URL; nil refuses them.
    /// - Returns: one score for each continuation: the log-probability of each token and their sum.
    /// - Throws: `IdeficsError`, or what processing the prompt throws.
    public func score(
        _ prompt: Prompt,
        continuations: [String],
        options: IdeficsProcessor.Options = .init(),
        fetcher: (any ImageFetcher)? = nil
    ) async throws -> [ContinuationScore] {
        let processor = try textProcessor
        let inputs = try await processor.prepare([prompt], options: options, fetcher: fetcher)
        // Prompt and continuation are tokenised as one text, so that the pieces at the seam are those the model would
        // read; what differs from the prompt's own tokens is scored.
        let promptIds = processor.tokenIds(of: prompt, options: options)
        let text = processor.markedText(of: prompt, options: options)
        let wholes = continuations.map { continuation in
            var whole = text
            whole.append(markup: continuation)
            return processor.tokenizer.encode(whole, addSpecialTokens: false)
        }
        let session = IdeficsSession(model, keyValueType: cacheType)
        _ = try session.start(inputs, earlier: lastSequence)
        let promptSequence = session.sequences[0]
        lastSequence = promptSequence
        let pieces = try wholes.enumerated().map { index, whole in
            let shared = zip(whole, promptIds).prefix { $0 == $1 }.count
            guard shared > 0, shared < whole.count else {
                throw IdeficsError.prompt(prompt: 0, item: nil, reason: "continuation \(index) adds no token")
            }
            // A prompt that was cut is shorter than what it shares with the whole text.
            return Piece(context: min(shared, promptSequence.tokenIds.count), tokenIds: Array(whole[shared...]))
        }
        var scores: [ContinuationScore] = []
        var rest = pieces[...]
        while let first = rest.first {
            try Task.checkCancellation()
            var tokens = first.tokenIds.count
            let more = rest.dropFirst().prefix(Self.continuationsAtOnce - 1).prefix { piece in
                tokens += piece.tokenIds.count
                return tokens <= Self.tokensAtOnce
            }
            scores += try score([first] + more, after: promptSequence, processor: processor)
            rest = rest.dropFirst(1 + more.count)
        }
        return scores
    }

    /// A continuation and how much of the prompt stands before it.
    private struct Piece {
        /// Tokens of the prompt.
        let context: Int
        /// The continuation's own.
        let tokenIds: [Int]
    }

    /// Continuations, and tokens of them, that are run in one pass at most; a longer one is run alone.
    private static let continuationsAtOnce = 32
    private static let tokensAtOnce = 2048
    /// Rows of logits that are in memory at once.
    private static let logitRowsAtOnce = 64

    /// Scores each of `pieces`.
    private func score(
        _ pieces: [Piece],
        after prompt: IdeficsSession.Sequence,
        processor: IdeficsProcessor
    ) throws -> [ContinuationScore] {
        // Each continuation goes on from a copy of the prompt's cache. Its first token is predicted by the last of the
        // prompt, which is therefore run again.
        let sequences = pieces.map { piece in
            var sequence = prompt
            sequence.truncate(to: piece.context - 1)
            return sequence
        }
        let inputs = pieces.map { [prompt.tokenIds[$0.context - 1]] + $0.tokenIds.dropLast() }
        let images = zip(pieces, inputs).map { piece, tokens in
            processor.imagesSeen(by: tokens, first: prompt.images[piece.context - 1])
        }
        let session = IdeficsSession(model, sequences: sequences, keyValueType: cacheType)
        try model.checkMemory(tokens: inputs.reduce(0) { $0 + $1.count }, keyValueType: cacheType)
        let hidden = session.extend(inputs, images: images)
        var parts: [[ContinuationScore]] = pieces.map { _ in [] }
        var firstRow = 0
        for (index, piece) in pieces.enumerated() {
            for start in stride(from: 0, to: piece.tokenIds.count, by: Self.logitRowsAtOnce) {
                let end = min(start + Self.logitRowsAtOnce, piece.tokenIds.count)
                let logits = model.logits(gatherRows(hidden, Array(firstRow + start..<firstRow + end)))
                parts[index].append(
                    try ContinuationScore(
                        tokenIds: Array(piece.tokenIds[start..<end]),
                        logits: logits.toHost().floatArray(),
                        vocabSize: session.vocabSize
                    )
                )
            }
            firstRow += piece.tokenIds.count
        }
        return parts.map(ContinuationScore.init(joining:))
    }
}

extension IdeficsProcessor {
    /// The images that each of `tokenIds` sees, as the processor's mask has it: none after an end of text, and none after
    /// an image token, whose image is not there.
    ///
    /// - Parameters:
    ///   - tokenIds: tokens that follow each other.
    ///   - first: the images that the first of them sees.
    /// - Returns: images for each.
    func imagesSeen(by tokenIds: [Int], first: [EncodedImage]) -> [[EncodedImage]] {
        var seen = first
        return tokenIds.enumerated().map { index, tokenId in
            if index > 0, tokenId == imageTokenId { seen = [] }
            defer { if tokenId == tokenizer.eosTokenId { seen = [] } }
            return seen
        }
    }
}
