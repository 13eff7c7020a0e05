// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

// How matrices lie in checkpoints: as one tensor, as this package's codes (`NAME.int4`, `NAME.int8` or `NAME.nf4`, and
// `NAME.scales`), or as bitsandbytes' NF4 (`NAME` and its parts).
extension Weights {
    /// The matrix `name` here in whatever form the checkpoint has it; see `tensor(_:shape:dtypes:)` for what is missing.
    ///
    /// - Parameters:
    ///   - name: The last part of its name.
    ///   - shape: `[outFeatures, inFeatures]`.
    /// - Returns: The weight.
    public func weight(_ name: String, shape: [Int]) -> Weight {
        let weight = find(name, shape: shape)
        ledger.record(fullName(name), weight)
        return weight.to(device)
    }

    private func find(_ name: String, shape: [Int]) -> Weight {
        if let make = ledger.makeWeight { return make(fullName(name), shape) }
        for format in QuantizedTensor.Format.allCases where contains(Self.codesName(name, format)) {
            return quantized(
                format,
                shape: shape,
                codes: hostTensor(
                    Self.codesName(name, format),
                    shape: [QuantizedTensor.codeByteCount(format, shape: shape)],
                    dtypes: [.u8]
                ),
                scales: hostTensor(
                    Self.scalesName(name),
                    shape: [QuantizedTensor.scaleCount(format, shape: shape)],
                    dtypes: [QuantizedTensor.scaleType(format)]
                )
            )
        }
        if isBitsAndBytes(name) { return bitsandbytes(name, shape: shape) }
        return .dense(ledger.take(fullName(name), shape: shape, dtypes: [.f32, .bf16, .f16], isWeight: true))
    }

    /// The matrices that `weight` has given out so far, in order, under their full names.
    public var matrices: [(name: String, weight: Weight)] { ledger.matrices }

    /// Name of the codes of the weight `name`.
    public static func codesName(_ name: String, _ format: QuantizedTensor.Format) -> String {
        "\(name).\(format.rawValue)"
    }

    /// Codes begin at a multiple of so many bytes of the file, and so of memory: a cache line, the widest vector.
    public static let codesAlignment = 64

    /// Name of the scales of the weight `name`.
    public static func scalesName(_ name: String) -> String { "\(name).scales" }

    /// The weight of parts; what does not fit has been noted, and zeros of another size stand for it.
    func quantized(
        _ format: QuantizedTensor.Format,
        shape: [Int],
        codes: Tensor,
        scales: Tensor
    ) -> Weight {
        guard codes.count == QuantizedTensor.codeByteCount(format, shape: shape),
            scales.count == QuantizedTensor.scaleCount(format, shape: shape),
            codes.dtype == .u8, scales.dtype == QuantizedTensor.scaleType(format)
        else { return ledger.unreadableWeight }
        let tensor = QuantizedTensor(
            format: format,
            shape: shape,
            codes: codes.reshaped([codes.count]),
            scales: scales.reshaped([scales.count])
        )
        return .quantized(tensor, isExact: isExact)
    }
}

extension Weights.Parameter {
    /// The tensors that store it in `format`, or, with nil, as it is in `dtype`; in the order they are written.
    ///
    /// `isDouble` says that scales of `nf4` are quantized once more, in bitsandbytes' files; see `NestedNF4`.
    public func declarations(
        format: QuantizedTensor.Format?,
        dtype: DType,
        isDouble: Bool = false
    ) -> [SafetensorsWriter.Declaration] {
        guard let format else { return [.init(name: name, dtype: dtype, shape: shape)] }
        if format == .nf4, isDouble { return NestedNF4.declarations(name, shape: shape) }
        return [
            .init(
                name: Weights.codesName(name, format),
                dtype: .u8,
                shape: [QuantizedTensor.codeByteCount(format, shape: shape)],
                alignment: Weights.codesAlignment
            ),
            .init(
                name: Weights.scalesName(name),
                dtype: QuantizedTensor.scaleType(format),
                shape: [QuantizedTensor.scaleCount(format, shape: shape)]
            ),
        ]
    }
}
