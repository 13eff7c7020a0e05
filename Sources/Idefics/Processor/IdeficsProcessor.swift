// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsImages
import IdeficsTensor
public import IdeficsTokenizers

/// Turns prompts into the inputs of the model: `IdeficsProcessor` of transformers 4.x (docs/model-spec.md §4).
public struct IdeficsProcessor: Sendable {
    /// Turns text into ids.
    public let tokenizer: any Tokenizer
    /// Turns pictures into pixels.
    public let imageProcessor: IdeficsImageProcessor

    /// Text written before and after an image (adjacent images share it).
    static let fakeToken = "<fake_token_around_image>"
    static let imageToken = "<image>"
    static let endOfUtteranceToken = "<end_of_utterance>"

    /// How conversations are written for this checkpoint.
    public let chatFormat: ChatFormat

    let imageTokenId: Int
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
            var row: [RGBImage] = []
            for case .image(let source) in prompt.items {
                row.append(try await source.load(limits: options.imageLimits, fetcher: fetcher))
            }
            images.append(row)
        }
        return try prepare(rows: prompts.map { tokenIds(of: $0, options: options) }, images: images, options: options)
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

    /// Inputs for the ids of texts that already hold their image tokens, and the decoded images of each.
    package func prepare(rows: [[Int]], images: [[RGBImage]], options: Options) throws -> IdeficsInputs {
        var rows = rows
        if options.isTruncating, let maxLength = options.maxLength {
            rows = rows.map { Array($0.prefix(maxLength)) }
        }
        let longest = rows.map(\.count).max() ?? 0
        let length = options.padding == .maxLength ? max(options.maxLength ?? longest, longest) : longest
        if options.padding == .none, let short = rows.firstIndex(where: { $0.count != longest }) {
            throw IdeficsError.prompt(prompt: short, item: nil, reason: "rows differ in length and padding is off")
        }
        let isLeft = (options.paddingSide ?? tokenizer.paddingSide) == .left
        var inputIds: [Int] = []
        var attentionMask: [Int] = []
        for row in rows {
            let pads = Array(repeating: padTokenId, count: length - row.count)
            inputIds += isLeft ? pads + row : row + pads
            let real = Array(repeating: 1, count: row.count)
            let unreal = Array(repeating: 0, count: pads.count)
            attentionMask += isLeft ? unreal + real : real + unreal
        }
        let slots = max(1, images.map(\.count).max() ?? 0)
        let shape = [rows.count, length]
        return IdeficsInputs(
            inputIds: Tensor(inputIds, shape: shape),
            attentionMask: Tensor(attentionMask, shape: shape),
            imageAttentionMask: imageAttentionMask(
                inputIds,
                rows: rows.count,
                slots: slots,
                hasImages: images.contains { !$0.isEmpty }
            ),
            images: .pixelValues(
                try pixelValues(images, slots: slots, inputIds: inputIds, length: length, imageSize: options.imageSize)
            )
        )
    }

    /// Pixels of all rows, `[batch, slots, 3, size, size]`; as many of a row as it has image tokens, the rest zero.
    private func pixelValues(
        _ images: [[RGBImage]],
        slots: Int,
        inputIds: [Int],
        length: Int,
        imageSize: Int?
    ) throws -> Tensor {
        let size = imageSize ?? imageProcessor.imageSize
        let imageFloats = 3 * size * size
        var pixels = [Float](repeating: 0, count: images.count * slots * imageFloats)
        for (row, rowImages) in images.enumerated() {
            let tokens = inputIds[row * length..<(row + 1) * length].count { $0 == imageTokenId }
            for (slot, image) in rowImages.prefix(tokens).enumerated() {
                let start = (row * slots + slot) * imageFloats
                pixels.replaceSubrange(
                    start..<start + imageFloats,
                    with: try imageProcessor.pixelValues(image, imageSize: imageSize)
                )
            }
        }
        return Tensor(pixels, shape: [images.count, slots, 3, size, size])
    }

    /// Which image each token sees: the last one before it (itself included), none after an end of text until the next
    /// image; `[batch, tokens, slots]`, `i64`, or `bool` zeros when no row has an image, as in the reference.
    private func imageAttentionMask(_ inputIds: [Int], rows: Int, slots: Int, hasImages: Bool) -> Tensor {
        let length = rows == 0 ? 0 : inputIds.count / rows
        let shape = [rows, length, slots]
        guard hasImages else {
            return Tensor(uninitialized: shape, dtype: .bool) { pointer in
                pointer.initializeMemory(as: UInt8.self, repeating: 0, count: rows * length * slots)
            }
        }
        var mask = [Int](repeating: 0, count: rows * length * slots)
        for row in 0..<rows {
            var image = -1
            var isAfterEnd = false
            for column in 0..<length {
                let tokenId = inputIds[row * length + column]
                if tokenId == imageTokenId {
                    image += 1
                    isAfterEnd = false
                }
                if image >= 0 && image < slots && !isAfterEnd { mask[(row * length + column) * slots + image] = 1 }
                if tokenId == tokenizer.eosTokenId { isAfterEnd = true }
            }
        }
        return Tensor(mask, shape: shape)
    }
}
