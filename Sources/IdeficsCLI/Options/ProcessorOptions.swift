// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTokenizers

/// How prompts become inputs.
struct ProcessorOptions: ParsableArguments {
    /// `longest`, `max_length` or `none`, transformers' words.
    enum Padding: String, ExpressibleByArgument, CaseIterable {
        case longest
        case maxLength = "max_length"
        case none
    }

    @Option(help: "How rows are padded: longest, max_length or none.")
    var padding = Padding.longest

    @Option(help: "Side that is padded: left or right. (default: the tokenizer's)")
    var paddingSide: String?

    @Flag(help: "Cut rows at --max-prompt-length.")
    var truncation = false

    @Option(help: "Length for padding and truncation, in tokens.")
    var maxPromptLength: Int?

    @Option(help: "Most bytes of memory for the tensors of a batch.")
    var maxBatchBytes = IdeficsProcessor.Options().maxBatchBytes

    @Flag(help: "End each text with the end-of-text token.")
    var addEosToken = false

    @Flag(
        inversion: .prefixedNo,
        help: "Put <end_of_utterance> between consecutive texts. (default: if the tokenizer names it as special)"
    )
    var addEndOfUtteranceToken: Bool?

    func validate() throws {
        if let paddingSide, PaddingSide(rawValue: paddingSide) == nil {
            throw ValidationError("--padding-side \(paddingSide): left or right")
        }
        if let maxPromptLength, !(1...1_048_576 ~= maxPromptLength) {
            throw ValidationError("--max-prompt-length \(maxPromptLength): must be 1 to 1048576 tokens")
        }
        guard maxBatchBytes > 0 else { throw ValidationError("--max-batch-bytes \(maxBatchBytes): must be positive") }
        if (padding == .maxLength || truncation) && maxPromptLength == nil {
            throw ValidationError("--padding max_length and --truncation need --max-prompt-length")
        }
    }

    func options(_ images: ImageOptions) -> IdeficsProcessor.Options {
        var options = IdeficsProcessor.Options()
        options.padding =
            switch padding {
            case .longest: .longest
            case .maxLength: .maxLength
            case .none: .none
            }
        options.paddingSide = paddingSide.flatMap(PaddingSide.init)
        options.isTruncating = truncation
        options.maxLength = maxPromptLength
        options.maxBatchBytes = maxBatchBytes
        options.addEosToken = addEosToken
        options.addEndOfUtteranceToken = addEndOfUtteranceToken
        options.imageSize = images.imageSize
        options.imageLimits = images.limits
        return options
    }
}
