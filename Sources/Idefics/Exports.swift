// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// What the signatures of this module name, so that a program needs one import. Tensors are not among them: their
// operations are free functions (`add`, `linear`), which a program that wants them imports with `IdeficsTensor`.
@_exported public import IdeficsGeneration
@_exported public import IdeficsHub
@_exported public import IdeficsImages
@_exported public import IdeficsTokenizers
