// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation

/// `idefics process`.
struct ProcessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "process",
        abstract: "Turn prompts into the model's input tensors.",
        discussion: """
            Writes transformers' four tensors for the batch: input_ids, attention_mask, image_attention_mask and \
            pixel_values. The model directory needs a tokenizer and configurations, no weights.
            """
    )

    @OptionGroup var modelOptions: ModelOptions

    @Option(help: "JSON lines, each a list of \"text\" and {\"image\": \"path-or-url\"}; - for standard input.")
    var prompts: String

    @Option(help: "Safetensors file to write; none that is read, and not in the model's folder.")
    var output: String

    @OptionGroup(title: "Prompts") var processing: ProcessorOptions
    @OptionGroup(title: "Pictures") var images: ImageOptions

    func run() async throws {
        let directory = try await modelOptions.directory()
        let file = try OutputFile(output, apartFrom: [directory])
        try file.check(apartFrom: [self.prompts])
        let prompts = try PromptFile(self.prompts).all()
        try file.check(apartFrom: prompts)
        let inputs = try await ModelFiles(directory: directory).processor().prepare(
            prompts,
            options: processing.options(images),
            fetcher: images.fetcher
        )
        var tensors = [
            "input_ids": inputs.inputIds,
            "image_attention_mask": inputs.imageAttentionMask,
            "pixel_values": inputs.images.tensor,
        ]
        tensors["attention_mask"] = inputs.attentionMask
        try SafetensorsWriter.write(tensors, to: file.url)
    }
}
