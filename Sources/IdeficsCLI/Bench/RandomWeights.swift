// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsTensor

/// Small random numbers in tensors of any size, quickly: for speed they are as good as trained ones.
struct RandomWeights: Sendable {
    private let dtype: DType
    private let pattern: Tensor

    /// Weights of `dtype`.
    init(_ dtype: DType) {
        self.dtype = dtype
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        let values = (0..<(1 << 20) + 7).map { _ -> Float in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return (Float(state >> 40) / Float(1 << 24) - 0.5) * 0.05
        }
        pattern = cast(Tensor(values, shape: [values.count]), to: dtype)
    }

    /// A tensor of `shape` with memory of its own.
    func tensor(_ shape: [Int]) -> Tensor {
        let count = shape.reduce(1, *)
        guard count > 0 else { return pattern[0..<0].reshaped(shape) }
        let whole = Array(repeating: pattern, count: count / pattern.count)
        return concatenate(whole + [pattern[0..<count % pattern.count], pattern[0..<0]]).reshaped(shape)
    }

    /// A matrix of `shape` in `format`, its memory its own; codes are random bytes, which are valid in every format.
    func quantized(_ format: QuantizedTensor.Format, _ shape: [Int]) -> Weight {
        let bytes = Tensor(
            shape: [pattern.byteCount / 4 * 4],
            dtype: .u8,
            storage: pattern.storage,
            byteOffset: pattern.byteOffset
        )
        let count = QuantizedTensor.codeByteCount(format, shape: shape)
        let whole = Array(repeating: bytes, count: count / bytes.count)
        let scale = Tensor(
            [Float](repeating: 0.002, count: QuantizedTensor.scaleCount(format, shape: shape)),
            shape: [
                QuantizedTensor.scaleCount(format, shape: shape)
            ]
        )
        let tensor = QuantizedTensor(
            format: format,
            shape: shape,
            codes: concatenate(whole + [bytes[0..<count % bytes.count], bytes[0..<0]]),
            scales: cast(scale, to: QuantizedTensor.scaleType(format))
        )
        return .quantized(tensor, isExact: false)
    }

    /// These weights as a checkpoint, matrices in `format` if there is one.
    func weights(_ format: QuantizedTensor.Format? = nil) -> Weights {
        Weights(
            making: { _, shape in tensor(shape) },
            weights: { _, shape in format.map { quantized($0, shape) } ?? .dense(tensor(shape)) }
        )
    }
}
