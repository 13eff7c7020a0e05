// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
public import IdeficsTensor

// NF4 as bitsandbytes' `Linear4bit` saves it: codes under the weight's own name, beside them what is needed to read them.
extension Weights {
    /// Whether the weight `name` is stored as `Linear4bit` of bitsandbytes stores it, whatever type the codes have.
    func isBitsAndBytes(_ name: String) -> Bool {
        metadata(name)?.dtype == .u8 || contains("\(name).\(BitsAndBytesState.name)")
            || contains("\(name).\(BitsAndBytesState.fp4Name)")
    }

    /// A weight as `Linear4bit` of bitsandbytes saves it, its scales quantized once more or not.
    func bitsandbytes(_ name: String, shape: [Int]) -> Weight {
        let parts = self[name]
        guard !parts.contains(BitsAndBytesState.fp4Name) else {
            ledger.note(
                parts.unsupported(
                    BitsAndBytesState.fp4Name,
                    "FP4 of bitsandbytes is not read, only NF4: quantize with bnb_4bit_quant_type \"nf4\""
                )
            )
            return ledger.unreadableWeight
        }
        let codes = packedBytes(name, count: QuantizedTensor.codeByteCount(.nf4, shape: shape))
        let blocks = QuantizedTensor.scaleCount(.nf4, shape: shape)
        var state = BitsAndBytesState()
        do {
            state = try parts.bitsAndBytesState()
            guard state.shape == shape else {
                throw parts.unsupported("shape", "\(state.shape) where the model has \(shape)")
            }
        } catch {
            ledger.note(error)
        }
        let map = parts.hostTensor("quant_map", shape: [16], dtypes: [.f32])
        if map.count == 16, map.floatArray() != QuantizedTensor.nf4Table {
            ledger.note(parts.unsupported("quant_map", "other values than those of NF4"))
        }
        guard parts.metadata("absmax")?.dtype == .u8 else {
            return quantized(.nf4, shape: shape, codes: codes, scales: parts.floats("absmax", shape: [blocks]))
        }
        let absmax = parts.hostTensor("absmax", shape: [blocks], dtypes: [.u8])
        let table = parts.floats("nested_quant_map", shape: [256])
        let nested = parts.floats("nested_absmax", shape: [(blocks + 255) / 256])
        guard absmax.count == blocks, table.count == 256, nested.count == (blocks + 255) / 256 else {
            return quantized(.nf4, shape: shape, codes: codes, scales: nested)
        }
        let scales = QuantizedTensor.nf4Scales(codes: absmax, table: table, scales: nested, offset: state.nestedOffset)
        return quantized(.nf4, shape: shape, codes: codes, scales: scales)
    }

    /// The bytes of codes, which `bnb_4bit_quant_storage` lets lie in elements of any type, as a column or a row.
    private func packedBytes(_ name: String, count: Int) -> Tensor {
        guard let stored = metadata(name), stored.byteCount == count else {
            return hostTensor(name, shape: [count, 1], dtypes: [.u8])
        }
        return ledger.takeBytes(fullName(name), stored)
    }

    /// A tensor of f32, also where a conversion of the whole model has made its type narrower.
    private func floats(_ name: String, shape: [Int]) -> Tensor {
        let tensor = hostTensor(name, shape: shape, dtypes: [.f32, .bf16, .f16])
        return tensor.dtype == .f32 ? tensor : cast(tensor)
    }

    /// What bitsandbytes wrote about the weight at this path, as JSON in a tensor of bytes.
    private func bitsAndBytesState() throws -> BitsAndBytesState {
        let name = BitsAndBytesState.name
        guard let metadata = metadata(name), metadata.byteCount <= 65_536 else {
            throw unsupported(name, "is missing: of matrices in bytes only NF4 of bitsandbytes can be read")
        }
        let json = hostTensor(name, shape: metadata.shape, dtypes: [.u8])
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

/// NF4 whose scales are quantized once more ("double quantization", QLoRA, arXiv:2305.14314, section 3), as the tensors
/// that bitsandbytes stores: 8 bits a scale, and one f32 for 256 scales; 4.127 bits a weight.
public struct NestedNF4 {
    /// The tensors, in the order of `declarations`.
    public let tensors: [Tensor]

    /// Quantizes the scales of `weight`, which is `nf4`.
    ///
    /// - Parameters:
    ///   - weight: As it was quantized.
    ///   - dtype: Of the matrix it was; bitsandbytes dequantizes to it.
    public init(_ weight: QuantizedTensor, dtype: DType) {
        precondition(weight.format == .nf4, "NestedNF4: \(weight.format)")
        let scales = weight.scales.floatArray()
        let mean = Float(scales.reduce(0) { $0 + Double($1) } / Double(max(1, scales.count)))
        // Numbers that are none are told when the weight is compared with its source.
        let offset = mean.isFinite ? mean : 0
        let nested = DynamicTensor(Tensor(scales.map { $0 - offset }, shape: [scales.count]), map: .signed)
        let state = BitsAndBytesState(nestedOffset: offset, shape: weight.shape).json(dtype: dtype)
        tensors = [
            weight.codes.reshaped([weight.codes.count, 1]),
            nested.codes,
            nested.scales,
            Tensor(DynamicTensor.Map.signed.table, shape: [256]),
            Tensor(QuantizedTensor.nf4Table, shape: [16]),
            Tensor(uninitialized: [state.count], dtype: .u8) { $0.copyMemory(from: state, byteCount: state.count) },
        ]
    }

    /// The tensors of the weight `name`.
    public static func declarations(_ name: String, shape: [Int]) -> [SafetensorsWriter.Declaration] {
        let blocks = QuantizedTensor.scaleCount(.nf4, shape: shape)
        return [
            .init(
                name: name,
                dtype: .u8,
                shape: [QuantizedTensor.codeByteCount(.nf4, shape: shape), 1],
                alignment: Weights.codesAlignment
            ),
            .init(name: "\(name).absmax", dtype: .u8, shape: [blocks]),
            .init(name: "\(name).nested_absmax", dtype: .f32, shape: [DynamicTensor.scaleCount([blocks])]),
            .init(name: "\(name).nested_quant_map", dtype: .f32, shape: [256]),
            .init(name: "\(name).quant_map", dtype: .f32, shape: [16]),
            .init(name: "\(name).\(BitsAndBytesState.name)", dtype: .u8, shape: [BitsAndBytesState.byteCount]),
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

    /// Name of the tensor that holds it, below the weight's.
    static let name = "quant_state.bitsandbytes__nf4"
    /// Name of the same for the other of bitsandbytes' formats with 4 bits.
    static let fp4Name = "quant_state.bitsandbytes__fp4"
    /// Bytes of it as it is written here, spaces after it included.
    static let byteCount = 256

    init() {}

    init(nestedOffset: Float, shape: [Int]) {
        (self.nestedOffset, self.shape) = (nestedOffset, shape)
    }

    init(_ bytes: UnsafeRawBufferPointer, name: String) throws {
        try CheckpointError.wrapping("quant_state") {
            let root = try JSONDocument.parse(Array(bytes), file: name).root
            guard root.isObject else { throw root.wrongType("an object") }
            quantType = try root["quant_type"]?.string() ?? quantType
            blockSize = try root["blocksize"]?.integer() ?? blockSize
            nestedBlockSize = try root["nested_blocksize"]?.integer() ?? nestedBlockSize
            nestedOffset = try root["nested_offset"]?.number(Float.self) ?? nestedOffset
            shape = try root["shape"]?.naturalNumbers(atMost: 2) ?? shape
        }
    }

    /// What is written; sizes of files are settled before contents, so it always has the same length.
    func json(dtype: DType) -> [UInt8] {
        let types: [DType: String] = [.bf16: "bfloat16", .f16: "float16"]
        let text =
            "{\"quant_type\": \"\(quantType)\", \"blocksize\": \(blockSize), \"dtype\": \"\(types[dtype] ?? "float32")\", "
            + "\"shape\": \(shape), \"nested_blocksize\": \(nestedBlockSize), \"nested_dtype\": \"float32\", "
            + "\"nested_offset\": \(Double(nestedOffset))}"
        return Array(text.utf8) + Array(repeating: UInt8(ascii: " "), count: max(0, Self.byteCount - text.utf8.count))
    }
}
