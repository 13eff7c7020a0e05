// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// What can go wrong between a request for text and its last token.
public enum GenerationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file is not JSON.
    case invalidJSON(file: String, reason: String)
    /// A field of a configuration file has the wrong type or an impossible value.
    case invalidField(file: String, key: String, reason: String)
    /// An option, or a combination of options, makes no sense.
    case invalidOption(name: String, value: String, reason: String)
    /// The prompt leaves no room for a single new token within `max_length`.
    case promptTooLong(prompt: Int, length: Int, maxLength: Int)
    /// An option names a token the model does not have.
    case tokenIdOutOfVocabulary(option: String, tokenId: Int, vocabSize: Int)
    /// Fewer tokens than the candidates a beam search step needs.
    case vocabularyTooSmall(vocabSize: Int, candidates: Int)
    /// The decoding session returned another number of logits than its rows need.
    case logitsCount(expected: Int, found: Int)
    /// The decoding session holds another number of sequences than there are requests.
    case sequenceCount(expected: Int, found: Int)
    /// Every token is excluded (or every logit is NaN), so there is nothing to continue with.
    case noCandidateToken(prompt: Int, position: Int)
    /// Stop strings were asked for but there is no way to turn token ids into text.
    case stopStringsNeedDecoder

    /// What is wrong, where, and what to do about it.
    public var description: String {
        switch self {
        case .invalidJSON(let file, let reason):
            "\(printable(file)): \(printable(reason)); write one JSON object with generation options"
        case .invalidField(let file, let key, let reason):
            "\(printable(file)): \(printable(key)): \(printable(reason))"
        case .invalidOption(let name, let value, let reason):
            "generation option \(printable(name)) = \(printable(value)): \(printable(reason))"
        case .promptTooLong(let prompt, let length, let maxLength):
            "prompt \(prompt) has \(length) tokens but max_length is \(maxLength), which counts the prompt; "
                + "set max_new_tokens or raise max_length"
        case .tokenIdOutOfVocabulary(let option, let tokenId, let vocabSize):
            "generation option \(option): token id \(tokenId) is not below the vocabulary size \(vocabSize)"
        case .vocabularyTooSmall(let vocabSize, let candidates):
            "beam search needs \(candidates) candidates a step but its beams offer only \(vocabSize); "
                + "use fewer eos_token_id entries"
        case .logitsCount(let expected, let found):
            "the model returned \(found) logits where \(expected) were expected"
        case .sequenceCount(let expected, let found):
            "the decoding session holds \(found) sequences where \(expected) were expected"
        case .noCandidateToken(let prompt, let position):
            "prompt \(prompt): no token is allowed at generated position \(position); "
                + "relax bad_words_ids, no_repeat_ngram_size or min_new_tokens (or the logits are not numbers)"
        case .stopStringsNeedDecoder:
            "stop_strings needs a tokenizer: pass a decode function with the request"
        }
    }
}
