// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import IdeficsTensor

/// One image as the decoder sees it: its tokens, and for each gated block their keys and values.
///
/// Made once for each distinct image; transformers recomputes keys and values for every generated token, with equal
/// result. Two references to the same object are the same image.
public final class EncodedImage: Sendable {
    /// What it was made from (pixels, or embeddings), to recognize the same image again.
    let content: Tensor
    let contentHash: UInt64
    /// `[imageTokens, visionDim]`.
    let hiddenStates: Tensor
    /// One page for each gated block, of `imageTokens` rows; none in training, where blocks make them anew.
    let keysValues: [KeyValuePages]

    init(content: Tensor, contentHash: UInt64, hiddenStates: Tensor, keysValues: [KeyValuePages]) {
        self.content = content
        self.contentHash = contentHash
        self.hiddenStates = hiddenStates
        self.keysValues = keysValues
    }

    /// A hash of an image's bytes.
    static func hash(_ content: Tensor) -> UInt64 {
        content.withUnsafeBytes { IdeficsFoundation.contentHash($0, seed: 0) }
    }

    /// Whether this image was made from exactly these bytes.
    func isMade(from content: Tensor, hash: UInt64) -> Bool {
        contentHash == hash && Self.isEqual(self.content, content)
    }

    /// Whether two images have the same shape and bytes.
    static func isEqual(_ a: Tensor, _ b: Tensor) -> Bool {
        a.shape == b.shape && a.withUnsafeBytes { a in b.withUnsafeBytes { a.elementsEqual($0) } }
    }
}

/// Consecutive rows of one sequence that see the same images.
struct ImageRun: Sendable {
    /// Rows of the forward pass.
    var rows: Range<Int>
    /// The images they see; empty for none.
    var images: [EncodedImage]
}
