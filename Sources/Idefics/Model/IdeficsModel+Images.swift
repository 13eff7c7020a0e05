// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

extension IdeficsModel {
    /// Image tokens as the cross-attention sees them.
    ///
    /// - Parameters:
    ///   - pixelValues: `[images, 3, height, width]`, normalized.
    ///   - interpolatePosEncoding: allows sizes other than the configuration's.
    ///   - observe: sees the activations.
    /// - Returns: `[images, imageTokens, visionDim]`, transformers' `image_hidden_states`.
    /// - Throws: `IdeficsError.input` for images of a wrong size.
    public func imageHiddenStates(
        _ pixelValues: Tensor,
        interpolatePosEncoding: Bool = false,
        observe: ActivationObserver? = nil
    ) throws -> Tensor {
        let pass = ForwardPass(observe: observe)
        return resample(
            try visionModel(pixelValues, interpolatePosEncoding: interpolatePosEncoding, pass),
            pass
        )
    }

    private func resample(_ features: Tensor, _ pass: ForwardPass) -> Tensor {
        perceiverResampler.map { $0(features, pass) } ?? features
    }

    /// Encodes the images of a batch that some token sees.
    ///
    /// - Parameters:
    ///   - inputs: the batch.
    ///   - rows: its real tokens.
    ///   - known: images encoded before.
    ///   - pass: how blocks are run.
    ///   - isTraining: whether keys and values are left to the pass, which differentiates them.
    /// - Returns: for each row, for each of its tokens, the images it sees.
    /// - Throws: `IdeficsError.input` for images of a wrong size.
    func encodeSeen(
        _ inputs: IdeficsInputs,
        rows: [IdeficsInputs.Row],
        known: [EncodedImage] = [],
        _ pass: ForwardPass = ForwardPass(),
        isTraining: Bool = false
    ) throws -> [[[EncodedImage]]] {
        let slotsPerRow = inputs.images.tensor.shape[1]
        let seen = rows.enumerated().flatMap { row, content in
            Set(content.imageSlots.joined()).sorted().map { row * slotsPerRow + $0 }
        }
        let images = try encode(inputs, slots: seen, known: known, pass, isTraining: isTraining)
        let imageOfSlot = Dictionary(uniqueKeysWithValues: zip(seen, images))
        return rows.enumerated().map { row, content in
            content.imageSlots.map { slots in slots.compactMap { imageOfSlot[row * slotsPerRow + $0] } }
        }
    }

    /// Encodes image slots of a batch, equal images once, those of `known` not at all.
    ///
    /// - Parameters:
    ///   - inputs: the batch.
    ///   - slots: places in `[batch, images]`, row-major.
    ///   - known: images encoded before.
    ///   - pass: how blocks are run; if somebody observes it, every slot is encoded, equal or not.
    ///   - isTraining: whether keys and values are left to the pass, which differentiates them.
    /// - Returns: the image of each slot.
    /// - Throws: `IdeficsError.input` for images of a wrong size.
    func encode(
        _ inputs: IdeficsInputs,
        slots: [Int],
        known: [EncodedImage] = [],
        _ pass: ForwardPass = ForwardPass(),
        isTraining: Bool = false
    ) throws -> [EncodedImage] {
        let tensor = inputs.images.tensor
        let itemShape = Array(tensor.shape[2...])
        let items = tensor.reshaped([tensor.shape[0] * tensor.shape[1]] + itemShape)
        var found: [EncodedImage?] = []
        var fresh: [(content: Tensor, hash: UInt64)] = []
        var freshOfSlot: [Int] = []
        for slot in slots {
            let content = items[slot..<slot + 1]
            let hash = EncodedImage.hash(content)
            let image = pass.observe == nil ? known.first { $0.isMade(from: content, hash: hash) } : nil
            let twin =
                pass.observe == nil
                ? fresh.firstIndex { $0.hash == hash && EncodedImage.isEqual($0.content, content) } : nil
            found.append(image)
            freshOfSlot.append(twin ?? fresh.count)
            if image == nil && twin == nil { fresh.append((content, hash)) }
        }
        let encoded = try encode(fresh, kind: inputs, pass, isTraining: isTraining)
        return zip(found, freshOfSlot).map { image, index in image ?? encoded[index] }
    }

    private func encode(
        _ contents: [(content: Tensor, hash: UInt64)],
        kind inputs: IdeficsInputs,
        _ pass: ForwardPass,
        isTraining: Bool
    ) throws -> [EncodedImage] {
        guard !contents.isEmpty else { return [] }
        let input = cast(concatenate(contents.map(\.content)).to(device))
        let states =
            switch inputs.images {
            case .pixelValues:
                resample(
                    try visionModel(input, interpolatePosEncoding: inputs.interpolatePosEncoding, pass),
                    pass
                )
            case .imageEncoderEmbeddings: resample(input, pass)
            case .perceiverEmbeddings: input
            }
        let tokens = states.shape[1]
        let rows = states.reshaped([states.shape[0] * tokens, states.shape[2]])
        let blocks =
            isTraining ? [] : decoder.gatedCrossAttnLayers.map { $0.keysValues(rows, precision: pass.precision) }
        return contents.enumerated().map { index, item in
            let range = index * tokens..<(index + 1) * tokens
            return EncodedImage(
                content: item.content,
                contentHash: item.hash,
                hiddenStates: rows[range],
                keysValues: blocks.map {
                    KeyValuePages(
                        k: $0.k[range],
                        v: $0.v[range],
                        kvHeads: config.numAttentionHeads,
                        type: pass.keyValueType
                    )
                }
            )
        }
    }
}
