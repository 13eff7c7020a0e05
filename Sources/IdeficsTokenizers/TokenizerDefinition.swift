// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Everything a tokenizer file says, whichever format it has.
struct TokenizerDefinition: Sendable {
    var model: BytePairModel
    var normalizer = Normalizer()
    var preTokenizer = PreTokenizer()
    var postProcessor = PostProcessor()
    var decoder: TokenDecoder
    var addedTokens: [AddedToken] = []

    /// The special tokens the file itself names; the configuration files beside it come first.
    var bosToken: String?
    var eosToken: String?
    var unknownToken: String?
    var padToken: String?
    /// Laid out as Llama's: characters with byte fallback.
    var isLlamaLike = false
}
