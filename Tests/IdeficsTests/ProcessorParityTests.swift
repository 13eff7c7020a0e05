// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsImages
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// All prompts of the processor fixtures (transformers 4.57.6) with both tokenizers, base and instruct.
@Suite struct ProcessorParityTests {
    static let variants = ["tiny_base", "tiny_instruct", "mistral_base", "mistral_instruct"]

    /// The fixture's tokenizer with its two or three added tokens.
    static func tokenizer(_ variant: String) throws -> any Tokenizer {
        let golden = try GoldenJSON("processor/\(variant).json")
        let folder = variant.hasPrefix("tiny") ? "processor/tokenizer-tiny" : "tokenizer-mistral"
        let temporary = try TemporaryFolder()
        let directory = temporary.url
        // The fixtures' tokenizer.json has all three added tokens; a base model's two come with tokenizer.model.
        let files = try FileManager.default.contentsOfDirectory(atPath: Fixtures.url(folder).path)
        for file in files where variant.hasSuffix("instruct") || file == "tokenizer.model" {
            try FileManager.default.copyItem(
                at: Fixtures.url(folder).appending(path: file),
                to: directory.appending(path: file)
            )
        }
        var added: [String: Int] = [:]
        for token in ["<fake_token_around_image>", "<image>", "<end_of_utterance>"] {
            if let id = golden.ids?[token]?.int { added[token] = id }
        }
        let names = added.sorted { $0.value < $1.value }.map(\.key)
        try JSONSerialization.data(withJSONObject: added).write(to: directory.appending(path: "added_tokens.json"))
        let special: [String: Any] = [
            "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>",
            "additional_special_tokens": names,
        ]
        try JSONSerialization.data(withJSONObject: special)
            .write(to: directory.appending(path: "special_tokens_map.json"))
        return try AutoTokenizer.from(directory: directory)
    }

    static func item(_ golden: GoldenJSON) -> Prompt.Item {
        if let text = golden.string { return .text(text) }
        return .image(.file(Fixtures.url("processor/images/\(golden.image?.string ?? "")")))
    }

    /// The prompts of a case, whichever of the reference's call forms it used.
    static func prompts(_ golden: GoldenJSON) -> [Prompt] {
        if golden.api?.string == "images_text" {
            let texts = golden.text?.strings ?? []
            return zip(texts, golden.images?.elements ?? []).map { text, images in
                // A flat list puts each image before its text, nested lists put the text first.
                images.elements.isEmpty
                    ? Prompt([item(images), .text(text)]) : Prompt([.text(text)] + images.elements.map(item))
            }
        }
        let elements = golden.prompts?.elements ?? []
        let isBatch = elements.contains { !$0.elements.isEmpty }
        return isBatch ? elements.map { Prompt($0.elements.map(item)) } : [Prompt(elements.map(item))]
    }

    static func options(_ golden: GoldenJSON) -> IdeficsProcessor.Options {
        var options = IdeficsProcessor.Options()
        options.imageSize = 56
        options.addEosToken = golden.add_eos_token?.bool ?? false
        options.addEndOfUtteranceToken = golden.add_end_of_utterance_token?.bool
        if golden.padding?.string == "max_length" { options.padding = .maxLength }
        options.maxLength = golden.max_length?.int
        options.isTruncating = golden.truncation?.bool ?? false
        options.paddingSide = golden.padding_side?.string.flatMap(PaddingSide.init)
        return options
    }

    @Test(arguments: variants)
    func everyPrompt(variant: String) async throws {
        let processor = try IdeficsProcessor(
            tokenizer: try Self.tokenizer(variant),
            imageProcessor: IdeficsImageProcessor()
        )
        let cases = try #require(GoldenJSON("processor/\(variant).json").prompts).elements
        #expect(cases.count == 21)
        for golden in cases {
            let name = golden.name?.string ?? ""
            let prompts = Self.prompts(golden)
            let options = Self.options(golden)
            #expect(prompts.map { processor.text(of: $0, options: options) } == golden.full_text?.strings, "\(name)")
            let inputs = try await processor.prepare(prompts, options: options)
            #expect(inputs.inputIds.intArray() == golden.input_ids?.rows?.flatMap { $0 }, "\(name)")
            #expect(inputs.attentionMask?.intArray() == golden.attention_mask?.rows?.flatMap { $0 }, "\(name)")
            let mask = golden.image_attention_mask?.elements.flatMap { $0.rows ?? [] }.flatMap { $0 }
            #expect(inputs.imageAttentionMask.intArray() == mask, "\(name)")
            let isBool = golden.image_attention_mask_dtype?.string == "bool"
            #expect(inputs.imageAttentionMask.dtype == (isBool ? .bool : .i64), "\(name)")
            #expect(inputs.images.tensor.shape == golden.pixel_values_shape?.ints, "\(name)")
            let perSlot = 3 * 56 * 56
            let pixels = inputs.images.tensor.floatArray()
            let sums = stride(from: 0, to: pixels.count, by: perSlot).map { start in
                pixels[start..<start + perSlot].reduce(0.0) { $0 + Double($1) }
            }
            let expected = golden.pixel_sums?.elements.flatMap { $0.elements.compactMap(\.double) } ?? []
            #expect(sums.count == expected.count)
            // The reference's sums are rounded to three decimals.
            for (sum, reference) in zip(sums, expected) { #expect(abs(sum - reference) <= 6e-4, "\(name)") }
        }
    }
}
