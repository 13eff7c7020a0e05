// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Parameters that a model uses together and a store holds ready together: a layer, a part outside the layers.
public struct ParameterBlock: Hashable, Sendable {
    /// What the names of its parameters begin with.
    public let name: String

    /// The block of the parameter `name`: through its first number, where it has one; else the first two parts.
    ///
    /// `model.layers.3.mlp.up_proj.weight` is of `model.layers.3`, `model.embed_tokens.weight` of
    /// `model.embed_tokens`. Names of adapters have PEFT's prefix in front. Blocks of layers are those that a pass of the model
    /// runs one by one (`BlockName`).
    public init(of name: String) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        let number = parts.firstIndex { !$0.isEmpty && $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } }
        self.name = parts.prefix(number.map { $0 + 1 } ?? 2).joined(separator: ".")
    }
}
