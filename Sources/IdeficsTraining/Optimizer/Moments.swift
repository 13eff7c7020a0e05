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

    /// How moments are held.
    package enum Kind: Sendable {
        /// In f32.
        case f32
        /// In 8 bits, with scales.
        case dynamic
    }

    /// Those of a parameter of `shape` before the first step.
    init(_ kind: Kind, shape: [Int]) {
        switch kind {
        case .f32: self = .f32(first: .zeros(shape), second: .zeros(shape))
        case .dynamic:
            self = .dynamic(
                first: DynamicTensor(zeros: shape, map: .signed),
                second: DynamicTensor(zeros: shape, map: .unsigned)
            )
        }
    }

    /// The moments, which are `taken` here until they are put back.
    mutating func take() -> Moments {
        let moments = self
        self = .taken
        return moments
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
