// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// Named tensors: a file, a checkpoint of several files, or anything a test makes up.
public protocol TensorSource: Sendable {
    /// All names, sorted.
    var tensorNames: [String] { get }

    /// What is known about a tensor without reading it; nil when there is none of this name.
    func metadata(named name: String) -> TensorMetadata?

    /// The tensor of this name.
    ///
    /// - Throws: `CheckpointError` when there is none or the engine has no such element type.
    func tensor(named name: String) throws -> Tensor

    /// The bytes of the tensor of this name as `u8`, also where the engine has no type for its elements.
    ///
    /// - Throws: `CheckpointError` when there is none.
    func bytes(named name: String) throws -> Tensor

    /// Why there is no tensor of this name where one should be; nil when nothing is known of it.
    func reasonForMissing(_ name: String) -> (any Error)?
}

extension TensorSource {
    /// The bytes of what `tensor(named:)` gives.
    public func bytes(named name: String) throws -> Tensor { try tensor(named: name).asBytes }

    /// Nothing is known of tensors that are not there.
    public func reasonForMissing(_ name: String) -> (any Error)? { nil }

    /// Whether there is a tensor of this name.
    public func contains(_ name: String) -> Bool {
        metadata(named: name) != nil
    }
}

/// What a file says about one tensor.
public struct TensorMetadata: Equatable, Sendable {
    /// Its name.
    public let name: String
    /// How its elements are stored.
    public let dtype: StoredDType
    /// Sizes of the axes, outermost first.
    public let shape: [Int]
    /// Bytes of its elements.
    public let byteCount: Int
    /// Name of the file it lies in.
    public let fileName: String
    /// Whether loading maps it; false when it must be copied because it lies unaligned or with gaps in the file.
    public let isMapped: Bool

    /// A description of a tensor.
    public init(
        name: String,
        dtype: StoredDType,
        shape: [Int],
        byteCount: Int,
        fileName: String,
        isMapped: Bool
    ) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.byteCount = byteCount
        self.fileName = fileName
        self.isMapped = isMapped
    }
}

extension Tensor {
    /// The bytes of the elements.
    var asBytes: Tensor {
        Tensor(shape: [byteCount], dtype: .u8, storage: storage, byteOffset: byteOffset)
    }
}
