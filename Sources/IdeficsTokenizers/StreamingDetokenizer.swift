// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Turns token ids into text as they come, one at a time.
///
/// All chunks together are what `decode(tokenIds:skipSpecialTokens:)` returns for the whole sequence. A chunk never
/// ends in half a character: bytes of an unfinished one are held back, and so is a run of byte tokens (`<0xF0>`),
/// which is only known to be text when it ends. The work for a token does not depend on how many came before.
public struct StreamingDetokenizer: Sendable {
    private let tokenizer: any Tokenizer
    private let skipSpecialTokens: Bool
    private var state: DetokenizerState?

    /// For tokenizers that are not this package's: all ids so far, and how much of their text has been handed out.
    private var tokenIds: [Int] = []
    private var emittedBytes = 0

    /// Starts a text.
    ///
    /// - Parameters:
    ///   - tokenizer: What the ids belong to. One that is not a `BPETokenizer` is asked to decode everything again
    ///     for each token.
    ///   - skipSpecialTokens: Leave out special tokens such as `</s>`.
    public init(tokenizer: any Tokenizer, skipSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
        state = (tokenizer as? BPETokenizer).map { DetokenizerState(decoder: $0.decoder) }
    }

    /// The text that `tokenId` completes, possibly none.
    public mutating func append(_ tokenId: Int) -> String {
        guard var state, let tokenizer = tokenizer as? BPETokenizer else {
            tokenIds.append(tokenId)
            return redecode(isLast: false)
        }
        var output: [UInt8] = []
        self.state = nil  // So that the buffers inside are not copied.
        tokenizer.append(tokenId, skipSpecialTokens: skipSpecialTokens, to: &output, state: &state)
        self.state = state
        return String(decoding: output, as: UTF8.self)
    }

    /// The text that was held back, to be called once after the last token.
    public mutating func finish() -> String {
        guard state != nil else { return redecode(isLast: true) }
        var output: [UInt8] = []
        state?.finish(to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private mutating func redecode(isLast: Bool) -> String {
        var bytes = Array(tokenizer.decode(tokenIds: tokenIds, skipSpecialTokens: skipSpecialTokens).utf8)
        let replacement = Array(UTF8.encodedReplacementCharacter)
        while !isLast, bytes.count >= 3, bytes.suffix(3).elementsEqual(replacement) { bytes.removeLast(3) }
        guard bytes.count > emittedBytes else { return "" }
        defer { emittedBytes = bytes.count }
        return String(decoding: bytes[emittedBytes...], as: UTF8.self)
    }
}
