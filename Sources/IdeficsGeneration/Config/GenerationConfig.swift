// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How to generate: transformers' `GenerationConfig` by the same names, with the defaults of version 5.23.
///
/// Reads and writes `generation_config.json`. A missing key or `null` leaves the default; keys that transformers does not
/// know are ignored, and ``ignoredOptions`` names those that it knows, that change the text and that do nothing here.
public struct GenerationConfig: Sendable, Equatable {
    // MARK: Length

    /// Most tokens of a sequence, its prompt included; nil allows 20 new tokens, as transformers 5 does by default.
    public var maxLength: Int?
    /// Most tokens to generate; wins over `maxLength`.
    public var maxNewTokens: Int?
    /// Tokens (prompt included) before an end-of-sequence token is allowed.
    public var minLength = 0
    /// New tokens before an end-of-sequence token is allowed; wins over `minLength`.
    public var minNewTokens: Int?
    /// Seconds after which every sequence stops at its next token.
    public var maxTime: Double?
    /// Texts that end a sequence once it contains them; they stay in the result.
    public var stopStrings: [String] = []

    // MARK: Strategy

    /// Whether tokens are drawn at random (true) or the most likely is taken (false).
    public var doSample = false
    /// Number of beams; 1 means no beam search.
    public var numBeams = 1
    /// Sequences returned for each prompt.
    public var numReturnSequences = 1
    /// When beam search may stop early.
    public var earlyStopping = EarlyStopping.disabled
    /// Exponent of the generated length that divides a beam's sum of log-probabilities.
    public var lengthPenalty = 1.0
    /// Whether keys and values are cached; kept for the file format, this package always caches.
    public var useCache = true
    /// Start of the random numbers; nil draws one from the system. (Not in transformers' file.)
    ///
    /// What is drawn depends on this and the number of the returned sequence only, not on the batch: equal prompts with
    /// equal seeds give equal samples.
    public var seed: UInt64?

    // MARK: Sampling

    /// Divides the logits before sampling.
    public var temperature = 1.0
    /// Most likely tokens kept for sampling; 0 keeps all.
    public var topK = 50
    /// Smallest set of most likely tokens with at least this probability is kept; 1 keeps all.
    public var topP = 1.0
    /// Least probability of a kept token as a share of the likeliest token's.
    public var minP: Double?
    /// Probability mass of the most typical tokens kept (arXiv:2202.00666); 1 keeps all.
    public var typicalP = 1.0

    // MARK: Constraints

    /// Factor against tokens that already occur in prompt or output; 1 changes nothing.
    public var repetitionPenalty = 1.0
    /// Length of the token runs that may occur only once; 0 allows all.
    public var noRepeatNgramSize = 0
    /// Token sequences that must not be generated.
    public var badWordsIds: [[Int]] = []
    /// Tokens that must not be generated, the end of the sequence among them if it is named; ids that are not in the
    /// vocabulary change nothing.
    public var suppressTokens: [Int] = []
    /// Tokens that must not be the first to be generated.
    public var beginSuppressTokens: [Int] = []

    // MARK: Special tokens

    /// First token of a prompt; for the caller, generation does not use it.
    public var bosTokenId: Int?
    /// Fills rows up to equal length.
    public var padTokenId: Int?
    /// Tokens that end a sequence (a number or a list in the file).
    public var eosTokenId: [Int] = []

    // MARK: Not done

    /// Options of the file that change the text in transformers and do nothing here, by their names there.
    public internal(set) var ignoredOptions: [String] = []

    /// Creates the default configuration: greedy, 20 new tokens, no special tokens.
    public init() {}

    /// Creates a configuration that is the default but for the most used options.
    public init(
        maxNewTokens: Int?,
        doSample: Bool = false,
        numBeams: Int = 1,
        eosTokenId: [Int] = [],
        padTokenId: Int? = nil,
        seed: UInt64? = nil
    ) {
        self.maxNewTokens = maxNewTokens
        self.doSample = doSample
        self.numBeams = numBeams
        self.eosTokenId = eosTokenId
        self.padTokenId = padTokenId
        self.seed = seed
    }

    /// The token transformers fills finished rows with: pad, or the first end-of-sequence token where there is none.
    ///
    /// Beam search in transformers 5.23 also takes the end-of-sequence token when the pad token is 0 (`pad or eos`), so
    /// rows of IDEFICS checkpoints, whose pad is 0, end in `</s>` there.
    public var fillTokenId: Int? {
        guard numBeams > 1 else { return padTokenId ?? eosTokenId.first }
        guard let padTokenId, padTokenId != 0 else { return eosTokenId.first }
        return eosTokenId.isEmpty ? nil : padTokenId
    }
}
