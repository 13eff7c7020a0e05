// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsTensor

/// What AdamW remembers of a parameter: running means of its gradient and of the gradient's square.
package enum Moments: Sendable {
    /// In f32: 8 bytes an element.
    case f32(first: Tensor, second: Tensor)
    /// In 8 bits and a scale for every 256 elements: about 2 bytes.
    case dynamic(first: DynamicTensor, second: DynamicTensor)
    /// Neither, while a step is made: the step works in place only where nobody else holds the tensors.
    case taken

    /// Those of a parameter before the first step.
    init(_ parameter: TrainableParameter, optim: TrainingConfig.Optimizer) {
        if optim.isDynamic(parameter) {
            self = .dynamic(
                first: DynamicTensor(zeros: parameter.shape, map: .signed),
                second: DynamicTensor(zeros: parameter.shape, map: .unsigned)
            )
        } else {
            self = .f32(first: .zeros(parameter.shape), second: .zeros(parameter.shape))
        }
    }

    /// One step of AdamW on `value`.
    mutating func step(_ value: inout Tensor, gradient: Tensor, _ step: AdamWStep) {
        let moments = self
        self = .taken
        switch consume moments {
        case .f32(var first, var second):
            adamWStep(&value, firstMoment: &first, secondMoment: &second, gradient: gradient, step)
            self = .f32(first: first, second: second)
        case .dynamic(var first, var second):
            adamWStep(&value, firstMoment: &first, secondMoment: &second, gradient: gradient, step)
            self = .dynamic(first: first, second: second)
        case .taken: break
        }
    }

    /// Bytes of both.
    package var byteCount: Int {
        switch self {
        case .f32(let first, let second): first.byteCount + second.byteCount
        case .dynamic(let first, let second):
            [first, second].reduce(0) { $0 + $1.codes.byteCount + $1.scales.byteCount }
        case .taken: 0
        }
    }

    // MARK: - Storing

    /// Tensors of the first and of the second moment, by what is added to the parameter's name.
    var stored: (first: [String: Tensor], second: [String: Tensor]) {
        func parts(_ tensor: DynamicTensor) -> [String: Tensor] { ["": tensor.codes, Self.scales: tensor.scales] }
        switch self {
        case .f32(let first, let second): return (["": first], ["": second])
        case .dynamic(let first, let second): return (parts(first), parts(second))
        case .taken: return ([:], [:])
        }
    }

    /// What is added to a parameter's name for its moment's scales.
    static let scales = ".scales"
}

extension TrainingConfig.Optimizer {
    /// Elements below which 8 bits save nothing worth having (bitsandbytes' `min_8bit_size`).
    static let dynamicCount = 4096

    /// Whether the moments of a parameter have 8 bits.
    ///
    /// Not those of embeddings, where most elements have no gradient in most steps (transformers leaves them out, too).
    package func isDynamic(_ parameter: TrainableParameter) -> Bool {
        self == .adamw8bit && parameter.count >= Self.dynamicCount
            && !["embed_tokens.", "position_embedding."].contains { parameter.name.contains($0) }
    }
}
