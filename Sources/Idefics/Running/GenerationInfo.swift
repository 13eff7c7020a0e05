// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsGeneration

/// The record that completes a stream of text.
public struct GenerationInfo: Sendable, Equatable {
    /// Which prompt of the batch.
    public let promptIndex: Int
    /// Which of its returned sequences.
    public let returnIndex: Int
    /// Tokens generated, an end token included.
    public let tokenIds: [Int]
    /// The text of these tokens without special ones.
    public let text: String
    /// Beam search: the sequence's score.
    public let score: Float?
    /// Tokens of the prompt.
    public let promptTokenCount: Int
    /// Seconds from the start to the first logits: images, resampler and prompt of the whole batch.
    public let promptTime: Double
    /// Seconds from the first logits to the end of this sequence.
    public let generateTime: Double
    /// Why it ended.
    public let stopReason: StopReason

    /// Tokens generated.
    public var generationTokenCount: Int { tokenIds.count }
    /// Tokens of this sequence a second, the prompt's time aside; 0 when there was no time to measure.
    public var tokensPerSecond: Double { generateTime > 0 ? Double(generationTokenCount) / generateTime : 0 }
}

/// What a stream of generated text brings.
public enum TextGenerationEvent: Sendable {
    /// More text of one sequence: whole characters only. Beam search has none before the end.
    case text(String, promptIndex: Int, returnIndex: Int)
    /// A sequence is complete.
    case finished(GenerationInfo)
}
