// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

extension IdeficsModel {
    /// Image tokens of the image slots `slots` (row-major over `[batch, images]`), equal images encoded once.
    ///
    /// - Returns: `[distinct, imageTokens, visionDim]` and for each slot which of them it is.
    func encode(
        _ inputs: IdeficsInputs,
        slots: [Int],
        isDeduplicated: Bool = true,
        observe: ActivationObserver? = nil
    ) throws -> (hiddenStates: Tensor, indices: [Int]) {
        let tensor = cast(inputs.images.tensor)
        let items = tensor.reshaped([tensor.shape[0] * tensor.shape[1]] + tensor.shape[2...])
        let (distinct, indices) = isDeduplicated ? distinctItems(items, slots) : (slots, Array(slots.indices))
        let chosen = gatherRows(items, distinct)
        switch inputs.images {
        case .pixelValues:
            let states = try imageHiddenStates(
                chosen,
                interpolatePosEncoding: inputs.interpolatePosEncoding,
                observe: observe
            )
            return (states, indices)
        case .imageEncoderEmbeddings:
            return (perceiverResampler.map { $0(chosen, observe: observe) } ?? chosen, indices)
        case .perceiverEmbeddings:
            return (chosen, indices)
        }
    }
}

/// The slots whose items differ from all before them, and for each slot the place of its item among these.
private func distinctItems(_ items: Tensor, _ slots: [Int]) -> (distinct: [Int], indices: [Int]) {
    var distinct: [Int] = []
    var placesByHash: [Int: [Int]] = [:]
    let indices = items.withUnsafeBytes { bytes in
        let size = items.shape[0] == 0 ? 0 : bytes.count / items.shape[0]
        func item(_ slot: Int) -> UnsafeRawBufferPointer { .init(rebasing: bytes[slot * size..<(slot + 1) * size]) }
        return slots.map { slot in
            var hasher = Hasher()
            hasher.combine(bytes: item(slot))
            let hash = hasher.finalize()
            if let place = placesByHash[hash]?.first(where: { item(distinct[$0]).elementsEqual(item(slot)) }) {
                return place
            }
            placesByHash[hash, default: []].append(distinct.count)
            distinct.append(slot)
            return distinct.count - 1
        }
    }
    return (distinct, indices)
}
