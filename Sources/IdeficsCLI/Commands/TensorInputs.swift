// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor

/// Model inputs in a safetensors file, by transformers' argument names.
enum TensorInputs {
    private static let imageNames = ["pixel_values", "image_encoder_embeddings", "perceiver_embeddings"]

    /// Reads `input_ids`, `attention_mask` (may be absent), `image_attention_mask` and exactly one of `pixel_values`,
    /// `image_encoder_embeddings` and `perceiver_embeddings`.
    ///
    /// - Parameter path: of a file, or of a pipe or `/dev/stdin`, which are copied to a temporary file first.
    /// - Returns: the inputs.
    /// - Throws: `FileError`, `CheckpointError`, `CommandError`; each names the file.
    static func read(_ path: String) throws -> IdeficsInputs {
        let given = try ByteStream(path: path)
        guard !given.isSeekable else { return try inputs(SafetensorsFile(URL(localPath: path)), path: path) }
        let copy = try ByteStream(copyOf: given)
        do {
            return try inputs(SafetensorsFile(URL(localPath: copy.reopeningPath)), path: given.name)
        } catch let error as CheckpointError {
            throw CommandError("\(error)".replacing(copy.reopeningPath, with: given.name))
        }
    }

    private static func inputs(_ file: SafetensorsFile, path: String) throws -> IdeficsInputs {
        let given = imageNames.filter(file.contains)
        guard given.count == 1, let name = given.first else {
            throw CommandError(
                "\(path): holds \(given.count) of \(imageNames.joined(separator: ", ")), exactly one is needed"
            )
        }
        let tensor = try file.tensor(named: name)
        let images: IdeficsInputs.Images =
            switch name {
            case "pixel_values": .pixelValues(tensor)
            case "image_encoder_embeddings": .imageEncoderEmbeddings(tensor)
            default: .perceiverEmbeddings(tensor)
            }
        return IdeficsInputs(
            inputIds: try file.tensor(named: "input_ids"),
            attentionMask: file.contains("attention_mask") ? try file.tensor(named: "attention_mask") : nil,
            imageAttentionMask: try file.tensor(named: "image_attention_mask"),
            images: images
        )
    }
}
