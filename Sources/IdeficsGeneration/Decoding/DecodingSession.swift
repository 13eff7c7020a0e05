// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A decoder with live sequences that generation extends by one token a step.
///
/// A session starts with one row for each prompt, after its prefill.
public protocol DecodingSession: AnyObject {
    /// Columns of the logits: vocabulary and additional tokens.
    var vocabSize: Int { get }

    /// Rows that are live.
    var sequenceCount: Int { get }

    /// Appends one token to each live sequence.
    ///
    /// - Parameter tokenIds: One token id for each row.
    /// - Returns: The logits after it, row-major `[sequenceCount, vocabSize]`.
    /// - Throws: Whatever keeps the model from running; generation ends with it.
    func step(tokenIds: [Int]) throws -> [Float]

    /// Replaces the rows: new row i continues from old row `rows[i]`.
    ///
    /// Beams repeat rows (their caches may share storage) and reorder them; a finished sequence's row is left out.
    func select(rows: [Int])
}
