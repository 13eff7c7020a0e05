// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor

/// Small random numbers in tensors of any size, quickly: for speed they are as good as trained ones.
struct RandomWeights: Sendable {
    let dtype: DType
    private let pattern: Tensor

    /// Weights of `dtype`.
    init(_ dtype: DType) {
        self.dtype = dtype
        var random = SplitMix64(seed: 0)
        let values = (0..<(1 << 20) + 7).map { _ in (Float(random.next() >> 40) / Float(1 << 24) - 0.5) * 0.05 }
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
    func quantizedTensor(_ format: QuantizedTensor.Format, _ shape: [Int]) -> QuantizedTensor {
        let bytes = Tensor(
            shape: [pattern.byteCount / 4 * 4],
            dtype: .u8,
            storage: pattern.storage,
            byteOffset: pattern.byteOffset
        )
        let count = QuantizedTensor.codeByteCount(format, shape: shape)
        let whole = Array(repeating: bytes, count: count / bytes.count)
        let scaleCount = QuantizedTensor.scaleCount(format, shape: shape)
        let scale = Tensor([Float](repeating: 0.002, count: scaleCount), shape: [scaleCount])
        return QuantizedTensor(
            format: format,
            shape: shape,
            codes: concatenate(whole + [bytes[0..<count % bytes.count], bytes[0..<0]]),
            scales: cast(scale, to: QuantizedTensor.scaleType(format))
        )
    }

    /// As `quantizedTensor`, to multiply with.
    func quantized(_ format: QuantizedTensor.Format, _ shape: [Int], isExact: Bool = false) -> Weight {
        .quantized(quantizedTensor(format, shape), isExact: isExact)
    }

    /// The parameter `name` of a model, which is no matrix of a linear layer: norms are 1, gates are `gate` before
    /// their tanh.
    func parameter(_ name: String, _ shape: [Int], gate: Float) -> Tensor {
        let isNorm = name.hasSuffix("weight") && (name.contains("norm") || name.hasSuffix(".ln.weight"))
        guard isNorm || name.contains("alpha_") else { return tensor(shape) }
        let values = [Float](repeating: isNorm ? 1 : gate, count: shape.reduce(1, *))
        return cast(Tensor(values, shape: shape), to: dtype)
    }

    /// These weights as a checkpoint: matrices in the format `options` has for their part, or else dense.
    ///
    /// - Parameters:
    ///   - options: formats of the parts.
    ///   - gate: every gate of the gated blocks before its tanh; one that is 0 is closed, and its branch is not run.
    ///   - isExact: whether products with quantized weights leave the activations as they are.
    /// - Returns: weights that are made when they are taken.
    func weights(_ options: QuantizationOptions, gate: Float, isExact: Bool = false) -> Weights {
        Weights(
            making: { name, shape in parameter(name, shape, gate: gate) },
            weights: { name, shape in
                options.format(of: name).map { quantized($0, shape, isExact: isExact) } ?? .dense(tensor(shape))
            }
        )
    }
}
