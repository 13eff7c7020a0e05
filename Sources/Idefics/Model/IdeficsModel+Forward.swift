// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// What a forward pass returns.
public struct IdeficsOutput: Sendable {
    /// `[batch, tokens, vocabSize + additionalVocabSize]`; rows of padding are zero.
    public let logits: Tensor
    /// Image tokens as the cross-attention sees them, `[batch, images, imageTokens, visionDim]`, unused slots included.
    public let imageHiddenStates: Tensor
}

extension IdeficsModel {
    /// Logits of all tokens of a batch: `IdeficsForVisionText2Text.forward` without a cache.
    ///
    /// - Parameters:
    ///   - inputs: the batch.
    ///   - keyValueType: how keys and values are stored.
    ///   - observe: sees the activations; those of the decoder have a row for each real token, all sequences one after
    ///     the other.
    /// - Returns: logits and image tokens, in main memory.
    /// - Throws: `IdeficsError.input` when a field does not fit.
    public func forward(
        _ inputs: IdeficsInputs,
        keyValueType: KeyValueType = .f32,
        observe: ActivationObserver? = nil
    ) throws -> IdeficsOutput {
        let rows = try inputs.rows(for: config)
        // Logits once as they are computed and once padded.
        try checkMemory(
            tokens: rows.reduce(0) { $0 + $1.tokenIds.count },
            outputRows: 2 * inputs.inputIds.count,
            keyValueType: keyValueType
        )
        let slotsPerRow = inputs.images.tensor.shape[1]
        let pass = ForwardPass(keyValueType: keyValueType, observe: observe)
        let images = try encode(inputs, slots: Array(0..<rows.count * slotsPerRow), pass)
        let batch = DecoderBatch(
            rows.enumerated().map { row, content in
                DecoderBatch.Sequence(
                    tokenIds: content.tokenIds,
                    images: content.imageSlots.map { slots in slots.map { images[row * slotsPerRow + $0] } },
                    past: 0
                )
            }
        )
        let memory = CachedMemory(batch, caches: rows.map { _ in makeCache(keyValueType) })
        let logits = logits(decoder(batch, memory, pass))
        let shape = [rows.count, slotsPerRow, images.first?.hiddenStates.shape[0] ?? 0, config.visionConfig.embedDim]
        return IdeficsOutput(
            logits: padded(logits, rows: rows, tokens: inputs.inputIds.shape[1]).toHost(),
            imageHiddenStates: images.isEmpty
                ? Tensor.zeros(shape) : concatenate(images.map(\.hiddenStates)).reshaped(shape).toHost()
        )
    }

    /// Spreads `values`, `[real tokens, width]`, over `[rows, tokens, width]`.
    private func padded(_ values: Tensor, rows: [IdeficsInputs.Row], tokens: Int) -> Tensor {
        let width = values.shape[1]
        var source = 0
        var sources: [Int] = []
        for row in rows {
            var places = Array(repeating: values.shape[0], count: tokens)  // the row of zeros after the values
            for column in row.columns {
                places[column] = source
                source += 1
            }
            sources += places
        }
        let isFull = sources.count == values.shape[0]
        let rowsWithZero = isFull ? values : concatenate([values, Tensor.zeros([1, width], on: device)])
        return gatherRows(rowsWithZero, sources).reshaped([rows.count, tokens, width])
    }
}
