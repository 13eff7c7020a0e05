// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// A padded batch as transformers' processor returns it and its model takes it.
public struct IdeficsInputs: Sendable {
    /// What the images are given as.
    public enum Images: Sendable {
        /// Normalized pixels, `[batch, images, 3, height, width]`; unused slots are zero.
        case pixelValues(Tensor)
        /// Outputs of the vision tower, `[batch, images, positions, visionDim]`.
        case imageEncoderEmbeddings(Tensor)
        /// Outputs of the resampler, `[batch, images, latents, visionDim]`.
        case perceiverEmbeddings(Tensor)

        /// The tensor, whichever it is.
        public var tensor: Tensor {
            switch self {
            case .pixelValues(let tensor), .imageEncoderEmbeddings(let tensor), .perceiverEmbeddings(let tensor): tensor
            }
        }
    }

    /// Token ids, `[batch, tokens]`, `i64`.
    public var inputIds: Tensor
    /// 1 for real tokens, 0 for padding, `[batch, tokens]`, `i64`; nil when all are real.
    public var attentionMask: Tensor?
    /// Which images each token sees, `[batch, tokens, images]`, any integer type, nonzero means seen.
    public var imageAttentionMask: Tensor
    /// The images.
    public var images: Images
    /// Whether images may have another size than the model's.
    public var interpolatePosEncoding = false

    /// A batch of the given tensors; they are checked when a model uses them.
    public init(inputIds: Tensor, attentionMask: Tensor?, imageAttentionMask: Tensor, images: Images) {
        self.inputIds = inputIds
        self.attentionMask = attentionMask
        self.imageAttentionMask = imageAttentionMask
        self.images = images
    }
}

// MARK: - Checked rows

extension IdeficsInputs {
    /// One row of the batch without its padding.
    struct Row {
        /// Ids of the real tokens.
        var tokenIds: [Int]
        /// Their columns in the padded batch.
        var columns: [Int]
        /// For each of them the image slots it sees.
        var imageSlots: [[Int]]
    }

    /// The rows, checked against `config`.
    ///
    /// - Throws: `IdeficsError.input` naming the field.
    func rows(for config: IdeficsConfig) throws -> [Row] {
        guard inputIds.shape.count == 2, let ids = inputIds.intArray() else {
            throw IdeficsError.input(
                field: "input_ids",
                reason: "\(inputIds.dtype) \(inputIds.shape) is not [batch, tokens]"
            )
        }
        let (batch, tokens) = (inputIds.shape[0], inputIds.shape[1])
        if let wrong = ids.first(where: { $0 < 0 || $0 >= config.totalVocabSize }) {
            throw IdeficsError.input(
                field: "input_ids",
                reason: "id \(wrong) is not in the vocabulary of \(config.totalVocabSize)"
            )
        }
        var attention: [Int]?
        if let attentionMask {
            guard attentionMask.shape == [batch, tokens], let mask = attentionMask.intArray() else {
                throw IdeficsError.input(
                    field: "attention_mask",
                    reason: "\(attentionMask.dtype) \(attentionMask.shape) is not [\(batch), \(tokens)]"
                )
            }
            attention = mask
        }
        let slots = try imageSlotCount(for: config, batch: batch)
        guard imageAttentionMask.shape == [batch, tokens, slots], let imageMask = imageAttentionMask.intArray() else {
            throw IdeficsError.input(
                field: "image_attention_mask",
                reason: "\(imageAttentionMask.dtype) \(imageAttentionMask.shape) is not [\(batch), \(tokens), \(slots)]"
            )
        }
        return (0..<batch).map { row in
            let columns = (0..<tokens).filter { attention?[row * tokens + $0] != 0 }
            return Row(
                tokenIds: columns.map { ids[row * tokens + $0] },
                columns: columns,
                imageSlots: columns.map { column in
                    let start = (row * tokens + column) * slots
                    return (0..<slots).filter { imageMask[start + $0] != 0 }
                }
            )
        }
    }

    /// Image slots of each row.
    private func imageSlotCount(for config: IdeficsConfig, batch: Int) throws -> Int {
        let tensor = images.tensor
        let vision = config.visionConfig
        let (field, tail): (String, [Int]?) =
            switch images {
            case .pixelValues: ("pixel_values", nil)
            case .imageEncoderEmbeddings: ("image_encoder_embeddings", [vision.numPositions, vision.embedDim])
            case .perceiverEmbeddings: ("perceiver_embeddings", [config.imageTokens, vision.embedDim])
            }
        let expected = tail.map { "[\(batch), images, \($0[0]), \($0[1])]" } ?? "[\(batch), images, 3, height, width]"
        let isFitting =
            if let tail {
                tensor.shape.count == 4 && Array(tensor.shape[2...]) == tail
            } else {
                tensor.shape.count == 5 && tensor.shape[2] == vision.numChannels
                    && tensor.shape[3...].allSatisfy { $0 > 0 }
            }
        guard isFitting, tensor.shape[0] == batch, tensor.dtype.isWeight else {
            throw IdeficsError.input(field: field, reason: "\(tensor.dtype) \(tensor.shape) is not \(expected)")
        }
        return tensor.shape[1]
    }
}
