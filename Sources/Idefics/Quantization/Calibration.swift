// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTokenizers

/// A text that rounding is adapted to: weights are chosen so that what the model computes for it changes least.
///
/// Any text of the kind the model is for will do; a few thousand tokens are enough to tell which directions of a layer's
/// input matter.
public struct Calibration: Sendable, Equatable {
    /// The text; without images.
    public var text: String
    /// Tokens that are used of it at most, from its beginning on.
    public var tokenCount: Int
    /// Tokens that the model reads at once.
    public var context: Int

    /// What is added to the diagonal of Σ x xᵀ, as a part of its mean: GPTQ's default.
    static let damping = 0.01
    /// How often all codes of a matrix are gone over again: more changes next to nothing.
    static let sweeps = 4

    /// Calibration with `text`.
    public init(text: String, tokenCount: Int = 16_384, context: Int = 1024) {
        self.text = text
        self.tokenCount = tokenCount
        self.context = context
    }

    /// The pieces of the text that the model reads, in order.
    ///
    /// - Throws: `IdeficsError` when there is no tokenizer or the text is too short.
    func windows(_ files: ModelFiles) throws -> [[Int]] {
        guard files.hasTokenizer else {
            throw IdeficsError.model(path: files.directory.path, reason: "has no tokenizer.json or tokenizer.model")
        }
        let processor = try files.processor()
        var options = IdeficsProcessor.Options()
        options.stripsSpaces = false
        let tokenIds = processor.tokenizer.encode(
            text: processor.text(of: [.text(text)], options: options),
            addSpecialTokens: false
        ).prefix(max(tokenCount, 0))
        guard tokenIds.count >= 2, context >= 2 else {
            throw IdeficsError.input(field: "calibration", reason: "\(tokenIds.count) tokens are too few")
        }
        let windows = stride(from: 0, to: tokenIds.count, by: context).map {
            Array(tokenIds[$0..<min($0 + context, tokenIds.count)])
        }
        return windows.filter { $0.count > 1 }
    }
}
