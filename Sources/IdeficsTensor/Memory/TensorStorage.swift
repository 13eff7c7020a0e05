// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The bytes of a tensor: memory of a device, or part of something else that is kept alive.
///
/// SAFETY: `@unchecked Sendable` holds because the bytes are written only by whoever created the storage, before any
/// other holder sees it; operations read their inputs and write fresh outputs. (A key-value page is written by its one
/// owner, the cache; see `KVCache`.)
public final class TensorStorage: @unchecked Sendable {
    /// Where the bytes lie.
    public let device: Device
    /// Bytes that may be touched.
    public let byteCount: Int
    /// Nil when the bytes are not in main memory.
    private let address: UnsafeMutableRawPointer?
    private let owner: Owner

    private enum Owner {
        case pool(capacity: Int)
        case object(AnyObject)
    }

    /// Uninitialized main memory, aligned to 64 bytes, at least one byte.
    public init(byteCount: Int) {
        precondition(byteCount >= 0, "TensorStorage: negative size \(byteCount)")
        let buffer = MemoryPool.shared.take(byteCount: max(byteCount, 1))
        device = .cpu
        address = buffer.pointer
        self.byteCount = byteCount
        owner = .pool(capacity: buffer.capacity)
    }

    /// Main memory with a copy of `bytes`.
    public convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(byteCount: bytes.count)
        if let base = bytes.baseAddress { pointer.copyMemory(from: base, byteCount: bytes.count) }
    }

    /// Main memory of `owner`, which stays alive as long as this storage; read-only unless the owner says otherwise.
    public init(borrowing pointer: UnsafeRawPointer, byteCount: Int, owner: AnyObject) {
        device = .cpu
        address = UnsafeMutableRawPointer(mutating: pointer)
        self.byteCount = byteCount
        self.owner = .object(owner)
    }

    /// Memory of another device, which `buffer` stands for.
    public init(device: Device, byteCount: Int, buffer: AnyObject) {
        self.device = device
        address = nil
        self.byteCount = byteCount
        owner = .object(buffer)
    }

    /// First byte.
    ///
    /// - Precondition: the storage lies in main memory; what lies elsewhere is read through `Tensor.toHost()`.
    package var pointer: UnsafeMutableRawPointer {
        guard let address else { preconditionFailure("TensorStorage: memory of \(device) has no address here") }
        return address
    }

    /// What a device's memory knows this storage by; nil for main memory.
    public var buffer: AnyObject? {
        if address == nil, case .object(let object) = owner { object } else { nil }
    }

    /// The file it maps a part of; nil for other memory.
    var mappedFile: MappedFile? {
        if case .object(let object) = owner { object as? MappedFile } else { nil }
    }

    /// Whether the bytes belong to this storage alone.
    var isWritable: Bool {
        if case .pool = owner { true } else { false }
    }

    deinit {
        if case .pool(let capacity) = owner, let address {
            MemoryPool.shared.give(address, capacity: capacity)
        }
    }
}

/// A place in the memory of a device, where rows of keys or values begin.
public struct MemoryPlace: Sendable, Hashable {
    /// What it lies in.
    public let storage: TensorStorage
    /// Where in it.
    public let byteOffset: Int

    /// The place `byteOffset` bytes after the beginning of `storage`.
    public init(_ storage: TensorStorage, byteOffset: Int = 0) {
        self.storage = storage
        self.byteOffset = byteOffset
    }

    /// The address, for backends of main memory; the caller keeps the storage alive.
    package var pointer: UnsafeMutableRawPointer { storage.pointer + byteOffset }

    /// The place `byteCount` bytes further on.
    public func advanced(by byteCount: Int) -> MemoryPlace {
        MemoryPlace(storage, byteOffset: byteOffset + byteCount)
    }

    /// Whether both are the same place of the same memory.
    public static func == (a: MemoryPlace, b: MemoryPlace) -> Bool {
        a.storage === b.storage && a.byteOffset == b.byteOffset
    }

    /// Hashes the identity of the storage and the place in it.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(storage))
        hasher.combine(byteOffset)
    }
}
