// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
public import IdeficsTensor

/// How each part of a model is to be stored when it is quantized.
///
/// A part that is nil stays as the checkpoint has it.
public struct QuantizationOptions: Sendable, Equatable {
    /// A part of a model whose matrices have one format.
    public enum Part: String, Sendable, CaseIterable {
        /// Decoder layers and gated cross-attention blocks.
        case text
        /// The head, added tokens included.
        case head
        /// The embedding, added tokens included.
        case embeddings
        /// The resampler.
        case resampler
        /// The vision tower.
        case vision

        /// The part that the parameter `name` of a checkpoint belongs to.
        public init(parameter name: String) {
            self =
                switch ParameterName(name).part {
                case .vision: .vision
                case .resampler: .resampler
                case .embedding: .embeddings
                case .head: .head
                case .gatedCrossAttention, .layers, .norm, .other: .text
                }
        }
    }

    /// Formats of parts; a part without one keeps the checkpoint's.
    public var formats: [Part: QuantizedTensor.Format]

    /// Matrices that take 8 bits where their part would take 4: parts of their names between dots, such as `down_proj`
    /// or `layers.0`; `*` stands for any text.
    public var keptInInt8: [String] = []

    /// Whether scales of `nf4` are quantized once more (bitsandbytes' `bnb_4bit_use_double_quant`): 4.13 bits a weight
    /// instead of 4.5, in bitsandbytes' files.
    public var usesDoubleQuant = false

    /// Everything as it is but for `formats`.
    public init(formats: [Part: QuantizedTensor.Format]) {
        self.formats = formats
    }

    /// The text side in `format`, the other parts more precise: with 4 bits they take 8, with 8 bits they stay.
    ///
    /// An embedding is only read row by row, so it costs no time, but the head it may be tied to does.
    public init(_ format: QuantizedTensor.Format) {
        formats = [.text: format]
        guard format != .int8 else {
            formats[.head] = .int8
            return
        }
        for part in [Part.head, .embeddings, .resampler, .vision] { formats[part] = .int8 }
    }

    /// The format of the matrix `name`; nil to leave it.
    public func format(of name: String) -> QuantizedTensor.Format? {
        guard let format = formats[Part(parameter: name)] else { return nil }
        return keptInInt8.contains { Self.isPart($0, of: name) } ? .int8 : format
    }

    private static func isPart(_ pattern: String, of name: String) -> Bool {
        GlobPattern("*.\(pattern).*").matches(".\(name).")
    }

    /// Refuses a pattern of `keptInInt8` that changes nothing: it would be a name written wrongly.
    ///
    /// - Parameter names: the matrices of the model.
    /// - Throws: `IdeficsError.input`.
    func checkKept(among names: [String]) throws {
        for pattern in keptInInt8 {
            let named = names.filter { Self.isPart(pattern, of: $0) }
            guard !named.isEmpty else {
                throw IdeficsError.input(
                    field: "keep-int8",
                    reason: "no matrix of the model is named \(pattern); names are such as down_proj or layers.0"
                )
            }
            guard named.contains(where: { formats[Part(parameter: $0)].map { $0 != .int8 } ?? false }) else {
                throw IdeficsError.input(
                    field: "keep-int8",
                    reason: "\(pattern) names only matrices that do not take 4 bits anyway"
                )
            }
        }
    }
}
