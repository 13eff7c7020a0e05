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
        return weight
    }

    private func find(_ name: String, shape: [Int]) -> Weight {
        if let make = ledger.makeWeight { return make(fullName(name), shape) }
        for format in QuantizedTensor.Format.allCases where contains(Self.codesName(name, format)) {
            return quantized(
                format,
                shape: shape,
                codes: tensor(
                    Self.codesName(name, format),
                    shape: [QuantizedTensor.codeByteCount(format, shape: shape)],
                    dtypes: [.u8]
                ),
                scales: tensor(
                    Self.scalesName(name),
                    shape: [QuantizedTensor.scaleCount(format, shape: shape)],
                    dtypes: [QuantizedTensor.scaleType(format)]
                )
            )
        }
        if metadata(name)?.dtype == .u8 { return bitsandbytes(name, shape: shape) }
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
    private func quantized(
        _ format: QuantizedTensor.Format,
        shape: [Int],
        codes: Tensor,
        scales: Tensor
    ) -> Weight {
        guard codes.count == QuantizedTensor.codeByteCount(format, shape: shape),
            scales.count == QuantizedTensor.scaleCount(format, shape: shape),
            codes.dtype == .u8, scales.dtype == QuantizedTensor.scaleType(format)
        else { return .dense(Tensor(shape: [0, 0], dtype: .f32, storage: TensorStorage(byteCount: 0))) }
        let tensor = QuantizedTensor(
            format: format,
            shape: shape,
            codes: codes.reshaped([codes.count]),
            scales: scales.reshaped([scales.count])
        )
        return .quantized(tensor, isExact: isExact)
    }

    // MARK: - bitsandbytes

    /// A weight as `Linear4bit` of bitsandbytes saves it, its scales quantised once more or not.
    private func bitsandbytes(_ name: String, shape: [Int]) -> Weight {
        let codeCount = QuantizedTensor.codeByteCount(.nf4, shape: shape)
        let blocks = QuantizedTensor.scaleCount(.nf4, shape: shape)
        // The codes are saved as a column; older versions as a row.
        let codes = tensor(
            name,
            shape: metadata(name)?.shape.first == 1 ? [1, codeCount] : [codeCount, 1],
            dtypes: [.u8]
        )
        let parts = self[name]
        var state = BitsAndBytesState()
        do {
            state = try parts.bitsAndBytesState()
            guard state.shape == shape else {
                throw parts.unsupported("shape", "\(state.shape) where the model has \(shape)")
            }
        } catch {
            ledger.note(error)
        }
        let map = parts.tensor("quant_map", shape: [16], dtypes: [.f32])
        if map.count == 16, map.floatArray() != QuantizedTensor.nf4Table {
            ledger.note(parts.unsupported("quant_map", "other values than those of NF4"))
        }
        guard parts.metadata("absmax")?.dtype == .u8 else {
            return quantized(
                .nf4,
                shape: shape,
                codes: codes,
                scales: parts.tensor("absmax", shape: [blocks], dtypes: [.f32])
            )
        }
        let absmax = parts.tensor("absmax", shape: [blocks], dtypes: [.u8])
        let table = parts.tensor("nested_quant_map", shape: [256], dtypes: [.f32])
        let nested = parts.tensor("nested_absmax", shape: [(blocks + 255) / 256], dtypes: [.f32])
        guard absmax.count == blocks, table.count == 256, nested.count == (blocks + 255) / 256 else {
            return quantized(.nf4, shape: shape, codes: codes, scales: nested)
        }
        let scales = QuantizedTensor.nf4Scales(codes: absmax, table: table, scales: nested, offset: state.nestedOffset)
        return quantized(.nf4, shape: shape, codes: codes, scales: scales)
    }

    /// What bitsandbytes wrote about the weight at this path, as JSON in a tensor of bytes.
    private func bitsAndBytesState() throws -> BitsAndBytesState {
        let name = "quant_state.bitsandbytes__nf4"
        guard let metadata = metadata(name), metadata.byteCount <= 65_536 else {
            throw unsupported(name, "is missing: only NF4 of bitsandbytes can be read")
        }
        let json = tensor(name, shape: metadata.shape, dtypes: [.u8])
        let state = try json.withUnsafeBytes { try BitsAndBytesState($0, name: fullName(name)) }
        guard state.quantType == "nf4", state.blockSize == 64, state.nestedBlockSize == 256 else {
            throw unsupported(
                name,
                "\(state.quantType) in blocks of \(state.blockSize), nested \(state.nestedBlockSize): only NF4 in 64, 256"
            )
        }
        return state
    }

    private func unsupported(_ name: String, _ reason: String) -> CheckpointError {
        .unsupported(file: path, field: name, reason: reason)
    }
}

extension Weights.Parameter {
    /// The tensors that store it in `format`, or, with nil, as it is in `dtype`; in the order they are written.
    public func declarations(format: QuantizedTensor.Format?, dtype: DType) -> [SafetensorsWriter.Declaration] {
        guard let format else { return [.init(name: name, dtype: dtype, shape: shape)] }
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

/// `quant_state` of bitsandbytes.
private struct BitsAndBytesState {
    var quantType = "nf4"
    var blockSize = 64
    var nestedBlockSize = 256
    var nestedOffset: Float = 0
    var shape: [Int] = []

    init() {}

    init(_ bytes: UnsafeRawBufferPointer, name: String) throws {
        var json = JSONScanner(bytes, file: name, root: "quant_state")
        try json.beginObject()
        while let key = try json.nextKey() {
            switch key {
            case "quant_type": quantType = try json.string()
            case "blocksize": blockSize = try json.naturalNumber()
            case "nested_blocksize": nestedBlockSize = try json.naturalNumber()
            case "nested_offset": nestedOffset = try json.float()
            case "shape": shape = try json.naturalNumbers(atMost: 2)
            default: try json.skipValue()
            }
        }
        try json.finish()
    }
}
