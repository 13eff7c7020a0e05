// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The precision of products in a pass, as torch's `autocast` sets it.
enum Autocast {
    /// Whether products round their inputs and weights to bf16.
    @TaskLocal static var isBF16 = false
}

/// Whether products in here are in bf16, for backends that do them later.
package var isAutocastBF16: Bool { Autocast.isBF16 }

/// Runs `body` with products of linear layers in `dtype`, and the products on the way back from what it records, too.
///
/// With `bf16` both sides of every product are rounded to it, sums are f32, and so are results: where the machine has dot
/// products of bf16, that is twice as fast. What steps keep for the way back is bf16 as well: half the memory. Weights of
/// all formats are rounded as they are multiplied; parameters that are trained stay in f32. Attention, norms, activations
/// and the loss are computed in f32.
///
/// - Parameters:
///   - dtype: `f32`, which is what products do anyway, or `bf16`.
///   - body: what is computed.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws.
public func autocast<Result>(to dtype: DType, _ body: () throws -> Result) rethrows -> Result {
    precondition(dtype == .f32 || dtype == .bf16, "autocast: to \(dtype)")
    return try Autocast.$isBF16.withValue(dtype == .bf16, operation: body)
}

/// What a step keeps of an f32 tensor for the way back: in a pass with products in bf16, rounded to that.
struct KeptTensor: Sendable {
    /// As it is kept, f32 or bf16.
    let stored: Tensor

    init(_ tensor: Tensor) {
        stored = Autocast.isBF16 ? cast(tensor.constant(), to: .bf16) : tensor.constant()
    }

    /// In f32.
    var value: Tensor { cast(stored) }
}
