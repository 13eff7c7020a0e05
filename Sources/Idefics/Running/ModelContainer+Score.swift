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
        guard let processor else {
            throw IdeficsError.model(path: directory.path, reason: "has no tokenizer.json or tokenizer.model")
        }
        let inputs = try await processor.prepare([prompt], options: options, fetcher: fetcher)
        // Prompt and continuation are tokenised as one text, so that the pieces at the seam are those the model would
        // read; what differs from the prompt's own tokens is scored.
        let text = processor.text(of: prompt, options: options)
        let wholes = continuations.map { processor.tokenizer.encode(text: text + $0, addSpecialTokens: false) }
        let session = IdeficsSession(model)
        _ = try session.start(inputs, earlier: lastSequence)
        let promptSequence = session.sequences[0]
        lastSequence = promptSequence
        var scores: [ContinuationScore] = []
        for start in stride(from: 0, to: wholes.count, by: Self.continuationsAtOnce) {
            try Task.checkCancellation()
            scores += try score(
                wholes[start..<min(start + Self.continuationsAtOnce, wholes.count)],
                after: promptSequence
            )
        }
        return scores
    }

    /// Continuations that are run in one pass at most.
    private static let continuationsAtOnce = 32

    /// Scores what each of `wholes` adds to the prompt.
    private func score(
        _ wholes: ArraySlice<[Int]>,
        after prompt: IdeficsSession.Sequence
    ) throws -> [ContinuationScore] {
        // Each continuation goes on from a copy of the prompt's cache. Its first token is predicted by the last shared
        // one, which is therefore run again.
        var sequences: [IdeficsSession.Sequence] = []
        var inputs: [[Int]] = []
        var targets: [[Int]] = []
        for (index, whole) in zip(wholes.indices, wholes) {
            let shared = zip(whole, prompt.tokenIds).prefix { $0 == $1 }.count
            guard shared > 0, shared < whole.count else {
                throw IdeficsError.prompt(prompt: 0, item: nil, reason: "continuation \(index) adds no token")
            }
            var sequence = prompt
            sequence.truncate(to: shared - 1)
            sequences.append(sequence)
            inputs.append(Array(whole[(shared - 1)..<(whole.count - 1)]))
            targets.append(Array(whole[shared...]))
        }
        let images = sequences.map { sequence in prompt.images[sequence.tokenIds.count] }
        let session = IdeficsSession(model, sequences: sequences)
        let hidden = session.extend(
            inputs,
            images: zip(inputs, images).map { tokens, images in Array(repeating: images, count: tokens.count) }
        )
        let logits = model.logits(hidden).floatArray()
        var row = 0
        return try targets.map { tokens in
            let range = row * session.vocabSize..<(row + tokens.count) * session.vocabSize
            row += tokens.count
            return try ContinuationScore(tokenIds: tokens, logits: Array(logits[range]), vocabSize: session.vocabSize)
        }
    }
}
