// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The type in which products of linear layers are computed, in the forward and the backward pass: what torch's `autocast`
/// sets, here an argument.
///
/// Attention, norms, activations and the loss are computed in f32 in any case, and results of products are f32.
public enum Precision: Sendable, Equatable {
    /// Inputs and weights as they are stored; sums in f32.
    case f32
    /// Inputs and weights rounded to bf16; sums in f32.
    ///
    /// Where the machine has dot products of bf16, that is twice as fast. What operations keep for the backward pass is
    /// bf16 as well: half the memory. Weights of all formats are rounded as they are multiplied; parameters that are
    /// trained stay in f32.
    case bf16
}
