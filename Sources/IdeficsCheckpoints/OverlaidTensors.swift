// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// A checkpoint some of whose tensors are others, however the checkpoint stores those.
public struct OverlaidTensors: TensorSource {
    private let base: any TensorSource
    private let replaced: [String: Tensor]
    /// All names, sorted; what the base stores a replaced matrix in (codes, scales) is not there.
    public let tensorNames: [String]
    private let hidden: Set<String>

    /// `base` with the tensors `replaced`, which it has as they are or quantized.
    public init(_ base: any TensorSource, replaced: [String: Tensor]) {
        self.base = base
        self.replaced = replaced
        hidden = Set(
            base.tensorNames.filter { name in
                // A part of the matrix `….weight` is `….weight.int4`, `….weight.absmax` and so on.
                name.indices.contains { name[$0] == "." && replaced[String(name[..<$0])] != nil }
            }
        )
        tensorNames = Set(base.tensorNames).subtracting(hidden).union(replaced.keys).sorted()
    }

    /// What is known about a tensor; nil when there is none of this name.
    public func metadata(named name: String) -> TensorMetadata? {
        if let tensor = replaced[name] {
            return TensorMetadata(
                name: name,
                dtype: StoredDType(tensor.dtype),
                shape: tensor.shape,
                byteCount: tensor.byteCount,
                fileName: "",
                isMapped: false
            )
        }
        return hidden.contains(name) ? nil : base.metadata(named: name)
    }

    /// The tensor of this name.
    ///
    /// - Throws: what the base throws.
    public func tensor(named name: String) throws -> Tensor {
        try replaced[name] ?? base.tensor(named: name)
    }

    /// The bytes of the tensor of this name.
    ///
    /// - Throws: what the base throws.
    public func bytes(named name: String) throws -> Tensor {
        try replaced[name]?.asBytes ?? base.bytes(named: name)
    }

    /// Why there is no tensor of this name: what the base knows of it.
    public func reasonForMissing(_ name: String) -> (any Error)? {
        base.reasonForMissing(name)
    }
}
