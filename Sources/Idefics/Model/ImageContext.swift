// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// What the decoder needs of one image: for each gated block the keys and values of its tokens.
///
/// Made once for each image and prompt; transformers recomputes them for every generated token, with equal result.
public struct ImageContext: Sendable {
    /// One entry for each gated block, both `[imageTokens, hidden]`.
    let keysValues: [(k: Tensor, v: Tensor)]
}

/// Consecutive rows of one sequence that see the same images.
struct ImageRun: Sendable {
    /// Rows of the forward pass.
    var rows: Range<Int>
    /// The images they see; empty for none.
    var images: [ImageContext]
}
