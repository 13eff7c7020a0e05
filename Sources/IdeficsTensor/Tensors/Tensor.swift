// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A dense array of numbers: contiguous, row-major, in memory of the engine or in a mapped file.
///
/// Copies share their bytes. Reshaping and leading-axis slices are views and free; there are no other strides.
public struct Tensor: Sendable {
    /// Sizes of the axes, outermost first; empty for a scalar.
    public let shape: [Int]
    /// How elements are stored.
    public let dtype: DType
    /// The bytes it lies in.
    package private(set) var storage: TensorStorage
    /// Where in them it begins.
    package let byteOffset: Int
    /// How it was computed, when a gradient can flow into it; nil for constants, and so in all inference.
    var origin: GradientOrigin?

    /// A view of `storage` from `byteOffset`.
    ///
    /// - Precondition: the elements lie inside the storage and are aligned to their size.
    public init(shape: [Int], dtype: DType, storage: TensorStorage, byteOffset: Int = 0) {
        precondition(shape.allSatisfy { $0 >= 0 }, "Tensor: negative size in \(shape)")
        let byteCount = shape.reduce(dtype.byteCount, *)
        precondition(
            byteOffset >= 0 && byteOffset + byteCount <= storage.byteCount,
            "Tensor: \(shape) of \(dtype) at \(byteOffset) leaves its storage of \(storage.byteCount) bytes"
        )
        precondition(
            storage.device !== Device.cpu || Int(bitPattern: storage.pointer + byteOffset) % dtype.byteCount == 0,
            "Tensor: \(dtype) at a misaligned address"
        )
        self.shape = shape
        self.dtype = dtype
        self.storage = storage
        self.byteOffset = byteOffset
    }

    /// A tensor of fresh main memory whose elements `initialize` writes, all of them.
    package init(
        uninitialized shape: [Int],
        dtype: DType = .f32,
        _ initialize: (UnsafeMutableRawPointer) throws -> Void
    ) rethrows {
        let storage = TensorStorage(byteCount: shape.reduce(dtype.byteCount, *))
        try initialize(storage.pointer)
        self.init(shape: shape, dtype: dtype, storage: storage)
    }

    /// Where the elements lie, and what computes with them.
    public var device: Device { storage.device }

    /// The elements in main memory: a copy, made when all operations before it are done; this tensor if it lies there.
    ///
    /// The only way elements come back from a device; it has no history of how it was computed.
    public func toHost() -> Tensor {
        guard device !== Device.cpu else { return constant() }
        let bytes = device.memory.download(storage, byteOffset..<byteOffset + byteCount)
        return Tensor(shape: shape, dtype: dtype, storage: bytes)
    }

    /// The elements in the memory of `device`: a copy, or this tensor if it lies there.
    public func to(_ device: Device) -> Tensor {
        guard device !== self.device else { return self }
        let host = toHost()
        guard device !== Device.cpu else { return host }
        let bytes = host.withUnsafeBytes { device.memory.upload($0, to: device) }
        return Tensor(shape: shape, dtype: dtype, storage: bytes)
    }

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }
    /// Bytes of the elements.
    public var byteCount: Int { count * dtype.byteCount }

    /// The same elements in another shape.
    ///
    /// - Precondition: the number of elements is the same.
    public func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == count, "reshaped: \(self.shape) does not hold \(shape)")
        let view = Tensor(shape: shape, dtype: dtype, storage: storage, byteOffset: byteOffset)
        return origin == nil ? view : recordReshape(view)
    }

    /// Rows `range` of the first axis, as a view.
    ///
    /// - Precondition: `range` lies inside the first axis.
    public subscript(range: Range<Int>) -> Tensor {
        precondition(
            !shape.isEmpty && range.lowerBound >= 0 && range.upperBound <= shape[0],
            "Tensor: rows \(range) of \(shape)"
        )
        let rowBytes = shape.dropFirst().reduce(dtype.byteCount, *)
        let view = Tensor(
            shape: [range.count] + shape.dropFirst(),
            dtype: dtype,
            storage: storage,
            byteOffset: byteOffset + range.lowerBound * rowBytes
        )
        return origin == nil ? view : recordRows(view, range)
    }

    /// Calls `body` with the bytes of the elements.
    ///
    /// - Precondition: they lie in main memory.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(storage) {
            try body(UnsafeRawBufferPointer(start: storage.pointer + byteOffset, count: byteCount))
        }
    }

    /// Calls `body` with the elements as floats.
    ///
    /// - Precondition: the dtype is `f32`, and they lie in main memory.
    public func withFloats<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
        try withUnsafeBytes { try body($0.bindMemory(to: Float.self, expecting: .f32, of: self)) }
    }

    /// First element as `f32`, for kernels; the caller keeps the tensor alive.
    package var floats: UnsafeMutablePointer<Float> {
        precondition(dtype == .f32, "expected an f32 tensor, found \(dtype) \(shape)")
        return (storage.pointer + byteOffset).assumingMemoryBound(to: Float.self)
    }

    /// First element as `f32`, to be written, in memory that nobody else sees: the elements are copied if somebody does.
    mutating func uniqueFloats() -> UnsafeMutablePointer<Float> {
        makeUnique()
        return floats
    }

    /// First byte, likewise.
    mutating func uniqueBytes() -> UnsafeMutablePointer<UInt8> {
        makeUnique()
        return (storage.pointer + byteOffset).assumingMemoryBound(to: UInt8.self)
    }

    private mutating func makeUnique() {
        guard !storage.isWritable || !isKnownUniquelyReferenced(&storage) else { return }
        self = Tensor(uninitialized: shape, dtype: dtype) { copy in
            withExtendedLifetime(storage) { copy.copyMemory(from: bytes, byteCount: byteCount) }
        }
    }

    /// Where the elements begin.
    public var place: MemoryPlace { MemoryPlace(storage, byteOffset: byteOffset) }

    /// First byte, for kernels; the caller keeps the tensor alive.
    package var bytes: UnsafeRawPointer { UnsafeRawPointer(storage.pointer + byteOffset) }
}

extension UnsafeRawBufferPointer {
    fileprivate func bindMemory<Element>(
        to type: Element.Type,
        expecting dtype: DType,
        of tensor: Tensor
    ) -> UnsafeBufferPointer<Element> {
        precondition(tensor.dtype == dtype, "expected a tensor of \(dtype), found \(tensor.dtype) \(tensor.shape)")
        return bindMemory(to: type)
    }
}
