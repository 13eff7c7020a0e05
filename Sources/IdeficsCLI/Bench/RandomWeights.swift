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

    /// These weights as a checkpoint.
    var weights: Weights {
        Weights { _, shape in tensor(shape) }
    }
}
