// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsImages
import IdeficsTensor
public import IdeficsTokenizers

/// Turns prompts into the inputs of the model: `IdeficsProcessor` of transformers 4.x (docs/model-spec.md §4).
public struct IdeficsProcessor: Sendable {
    /// Turns text into ids.
    public let tokenizer: any Tokenizer
    /// Turns images into pixels.
    public let imageProcessor: IdeficsImageProcessor

    /// Text written before and after an image (adjacent images share it).
    static let fakeToken = "<fake_token_around_image>"
    static let imageToken = "<image>"
    static let endOfUtteranceToken = "<end_of_utterance>"

    /// How conversations are written for this checkpoint.
    public let chatFormat: ChatFormat

    /// The token that stands for an image.
    package let imageTokenId: Int
    /// The tokens that images stand for in a text: `<image>` and, where there is such a token, what is around it.
    package let imageMarkupIds: [Int]
    let padTokenId: Int
    let bosToken: String
    let eosToken: String

    /// A processor of the given parts.
    ///
    /// - Throws: `IdeficsError.prompt` when the tokenizer lacks a token that every IDEFICS prompt needs.
    public init(tokenizer: any Tokenizer, imageProcessor: IdeficsImageProcessor) throws {
        guard let imageTokenId = tokenizer.convertTokenToId(Self.imageToken) else {
            throw IdeficsError.prompt(prompt: 0, item: nil, reason: "the tokenizer has no token \(Self.imageToken)")
        }
        guard let padTokenId = tokenizer.padTokenId ?? tokenizer.unknownTokenId else {
            throw IdeficsError.prompt(prompt: 0, item: nil, reason: "the tokenizer has no padding token")
        }
        self.tokenizer = tokenizer
        self.imageProcessor = imageProcessor
        self.imageTokenId = imageTokenId
        imageMarkupIds = [imageTokenId] + [tokenizer.convertTokenToId(Self.fakeToken)].compactMap(\.self)
        self.padTokenId = padTokenId
        chatFormat = ChatFormat(tokenizer: tokenizer)
        bosToken = tokenizer.bosToken ?? "<s>"
        eosToken = tokenizer.eosToken ?? "</s>"
    }

    /// How rows of unequal length become one tensor.
    public enum Padding: Sendable, Equatable {
        /// To the longest row.
        case longest
        /// To `maxLength`.
        case maxLength
        /// Not at all: all rows must be equally long.
        case none
    }

    /// What may be asked of `prepare`; the defaults are transformers'.
    public struct Options: Sendable {
        /// How rows are padded.
        public var padding = Padding.longest
        /// Whether rows are cut at `maxLength`.
        public var isTruncating = false
        /// Length in tokens for padding and truncation.
        public var maxLength: Int?
        /// Where padding goes; nil for the tokenizer's own side.
        public var paddingSide: PaddingSide?
        /// Whether `</s>` ends each text.
        public var addEosToken = false
        /// Whether `<end_of_utterance>` goes between consecutive texts; nil: if it is one of the tokenizer's additional
        /// special tokens (instruct models).
        public var addEndOfUtteranceToken: Bool?
        /// Whether spaces at the ends of each text are taken away, as transformers does; other white space stays.
        public var stripsSpaces = true
        /// Height and width in pixels; nil for the image processor's own.
        public var imageSize: Int?
        /// Limits for images that are fetched or decoded.
        public var imageLimits = ImageLimits()
        /// The most bytes that the tensors of a batch may take (default 4 GiB).
        public var maxBatchBytes = 4 << 30

        /// The defaults.
        public init() {}
    }

    /// Inputs for a batch of prompts; images are fetched and decoded.
    ///
    /// - Parameters:
    ///   - prompts: one for each row.
    ///   - options: padding and prompt rules.
    ///   - fetcher: gets images by URL; nil refuses them.
    /// - Returns: the four tensors of transformers' processor.
    /// - Throws: `IdeficsError.prompt`, or what decoding an image throws.
    public func prepare(
        _ prompts: [Prompt],
        options: Options = Options(),
        fetcher: (any ImageFetcher)? = nil
    ) async throws -> IdeficsInputs {
        var images: [[RGBImage]] = []
        for prompt in prompts {
            // Each at the model's size as soon as it is decoded: a photograph takes 36 MB.
            images.append(try await loadImages(of: prompt, options: options, fetcher: fetcher).decodedImages)
        }
        return try prepare(rows: prompts.map { tokenIds(of: $0, options: options) }, images: images, options: options)
    }

    /// The prompt with its images fetched, decoded and resized: what has to be kept of it until it is its turn.
    ///
    /// - Parameters:
    ///   - prompt: text and images.
    ///   - options: their size and limits.
    ///   - fetcher: gets images by URL; nil refuses them.
    /// - Returns: the same prompt, whose images are pixels of the model's size.
    /// - Throws: what decoding an image throws.
    public func loadImages(
        of prompt: Prompt,
        options: Options = Options(),
        fetcher: (any ImageFetcher)? = nil
    ) async throws -> Prompt {
        let side = try imageProcessor.side(options.imageSize)
        var items: [Prompt.Item] = []
        for item in prompt.items {
            guard case .image(let source) = item else {
                items.append(item)
                continue
            }
            let image = try await source.load(limits: options.imageLimits, fetcher: fetcher)
            items.append(.image(.image(try image.resized(width: side, height: side))))
        }
        return Prompt(items)
    }

    /// The text of a prompt with its images as tokens.
    ///
    /// It begins with the token that begins a text, unless the tokenizer's configuration says in so many words that it
    /// does not (`"add_bos_token": false`). transformers' processor writes that token always; checkpoints made from a
    /// language model that never saw it there would read every prompt from an unknown beginning.
    public func text(of prompt: Prompt, options: Options = Options()) -> String {
        markedText(of: prompt, options: options).plain
    }

    /// The ids of a prompt's text.
    package func tokenIds(of prompt: Prompt, options: Options) -> [Int] {
        tokenizer.encode(markedText(of: prompt, options: options), addSpecialTokens: false)
    }

    /// How many tokens a prompt has in a batch, padding left out.
    package func tokenCount(of prompt: Prompt, options: Options) -> Int {
        let count = tokenIds(of: prompt, options: options).count
        return options.isTruncating ? min(count, options.maxLength ?? count) : count
    }

    /// The text of a prompt with its images as tokens; what is words in the prompt is words in it.
    package func markedText(of prompt: Prompt, options: Options) -> MarkedText {
        let addsEndOfUtterance =
            options.addEndOfUtteranceToken ?? tokenizer.additionalSpecialTokens.contains(Self.endOfUtteranceToken)
        var text = MarkedText(markup: tokenizer.addsBosToken == false ? "" : bosToken)
        var isAfterText = false
        var isAfterImage = false
        for item in prompt.items {
            if let item = item.markedText {
                if addsEndOfUtterance && isAfterText { text.append(markup: Self.endOfUtteranceToken) }
                text.append(options.stripsSpaces ? item.withoutOuterSpaces : item)
            } else {
                text.append(markup: isAfterImage ? Self.imageToken : Self.fakeToken + Self.imageToken)
                text.append(markup: Self.fakeToken)
            }
            isAfterImage = if case .image = item { true } else { false }
            isAfterText = !isAfterImage
        }
        if options.addEosToken { text.append(markup: eosToken) }
        return text
    }
}

extension Prompt {
    /// Its images, if they are pixels already.
    fileprivate var decodedImages: [RGBImage] {
        items.compactMap { if case .image(.image(let image)) = $0 { image } else { nil } }
    }
}
