// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

/// A layer of the decoder whose matrices are rounded together.
enum DecoderPart: Equatable {
    case gatedBlock(Int)
    case layer(Int)

    /// What the parameter `name` of a checkpoint belongs to; nil for everything outside of the layers.
    init?(parameter name: String) {
        let parts = name.split(separator: ".")
        guard parts.count > 3, parts[0] == "model", let index = Int(parts[2]) else { return nil }
        switch parts[1] {
        case "layers": self = .layer(index)
        case "gated_cross_attn_layers": self = .gatedBlock(index)
        default: return nil
        }
    }

    /// When it is run, with a gated block before every `interval`-th layer.
    func place(_ interval: Int) -> Int {
        switch self {
        case .gatedBlock(let index): 2 * index * interval
        case .layer(let index): 2 * index + 1
        }
    }
}

extension CalibratedDecoder {
    /// Rounds the matrices of `part`, whose turn it must be.
    mutating func round(_ part: DecoderPart) throws -> [String: QuantizedTensor] {
        switch part {
        case .gatedBlock(let index): try gatedBlock(index)
        case .layer(let index): try layer(index)
        }
    }
}
