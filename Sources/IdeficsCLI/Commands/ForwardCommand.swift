// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation

/// `idefics forward`.
struct ForwardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward",
        abstract: "Run one forward pass on tensors and write logits.",
        discussion: """
            Reads input_ids, attention_mask (optional), image_attention_mask and one of pixel_values, \
            image_encoder_embeddings or perceiver_embeddings; writes logits [batch, tokens, vocabulary] and \
            image_hidden_states [batch, images, image tokens, vision width] in f32. Rows of padding are zero.
            """
    )

    @OptionGroup var loadOptions: LoadOptions

    @Option(help: "Safetensors file to read.")
    var inputs: String

    @Option(help: "Safetensors file to write; none that is read, and not in the model's folder.")
    var output: String

    @Flag(help: "Allow images of another size than the model's; positions are resized bicubically.")
    var interpolatePosEncoding = false

    func run() async throws {
        let directories = try await loadOptions.directories()
        let file = try OutputFile(output, apartFrom: directories.all)
        try file.check(apartFrom: [inputs])
        var batch = try TensorInputs.read(inputs)
        batch.interpolatePosEncoding = interpolatePosEncoding
        let result = try await loadOptions.load(from: directories).forward(batch)
        try SafetensorsWriter.write(
            ["logits": result.logits, "image_hidden_states": result.imageHiddenStates],
            to: file.url
        )
    }
}
