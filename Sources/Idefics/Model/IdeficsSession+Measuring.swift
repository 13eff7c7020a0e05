// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsNN
package import IdeficsTensor

// Sequences that never were a prompt: a benchmark of generating needs long caches at once, whatever they hold.
extension IdeficsSession.Sequence {
    /// A sequence of `tokenIds` that sees no image, with keys and values as given.
    ///
    /// - Parameters:
    ///   - model: the model that goes on with it.
    ///   - tokenIds: its tokens.
    ///   - keys: `[tokenIds.count, kvHeads · headDim]`, the same in every layer.
    ///   - values: as `keys`.
    ///   - keyValueType: how they are stored.
    package init(
        _ model: IdeficsModel,
        tokenIds: [Int],
        keys: Tensor,
        values: Tensor,
        keyValueType: KeyValueType = .f32
    ) {
        var cache = model.makeCache(keyValueType)
        cache.reserve(tokenIds.count)
        for layer in 0..<model.config.numHiddenLayers { cache.write(layer: layer, k: keys, v: values) }
        cache.advance(tokenIds.count)
        self.init(cache: cache, tokenIds: tokenIds, images: Array(repeating: [], count: tokenIds.count))
    }

    /// The same sequence, its next token seeing `images`.
    package func seeing(_ images: [EncodedImage]) -> Self {
        var copy = self
        if !copy.images.isEmpty { copy.images[copy.images.count - 1] = images }
        return copy
    }
}
