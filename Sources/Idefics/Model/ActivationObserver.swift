// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// Sees activations by name as a forward pass makes them (`layer.3.attn`, `vision.embeddings`, …), for tests and for
/// comparing implementations.
public typealias ActivationObserver = (_ name: String, _ activation: Tensor) -> Void
