// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What an operation keeps of an f32 tensor for the backward pass, in the precision of that pass.
struct KeptTensor: Sendable {
    /// As it is kept, f32 or bf16.
    let stored: Tensor

    init(_ tensor: Tensor, _ precision: Precision) {
        stored = precision == .bf16 ? cast(tensor.constant(), to: .bf16) : tensor.constant()
    }

    /// In f32.
    var value: Tensor { cast(stored) }
}

extension Precision {
    /// The precision of an operation without products: that of the products its inputs come from.
    init(of inputs: GradientTarget?...) {
        self.init(of: inputs)
    }

    /// The same for a list of inputs.
    init(of inputs: [GradientTarget?]) {
        self = inputs.contains { $0?.origin?.node.precision == .bf16 } ? .bf16 : .f32
    }
}
