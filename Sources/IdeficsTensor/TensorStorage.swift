// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The bytes of a tensor: heap memory of the engine, or part of something else that is kept alive.
///
/// SAFETY: `@unchecked Sendable` holds because the bytes are written only by whoever created the storage, before any
/// other holder sees it; operations read their inputs and write fresh outputs. (A key-value page is written by its one
/// owner, the cache; see `KVCache`.)
public final class TensorStorage: @unchecked Sendable {
    /// First byte.
    package let pointer: UnsafeMutableRawPointer
    /// Bytes that may be touched.
    public let byteCount: Int
    private let owner: Owner

    private enum Owner {
        case pool(capacity: Int)
        case object(AnyObject)
    }

    /// Uninitialised heap memory, aligned to 64 bytes, at least one byte.
    public init(byteCount: Int) {
        precondition(byteCount >= 0, "TensorStorage: negative size \(byteCount)")
        let buffer = MemoryPool.shared.take(byteCount: max(byteCount, 1))
        pointer = buffer.pointer
        self.byteCount = byteCount
        owner = .pool(capacity: buffer.capacity)
    }

    /// Memory of `owner`, which stays alive as long as this storage; read-only unless the owner says otherwise.
    public init(borrowing pointer: UnsafeRawPointer, byteCount: Int, owner: AnyObject) {
        self.pointer = UnsafeMutableRawPointer(mutating: pointer)
        self.byteCount = byteCount
        self.owner = .object(owner)
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
        if case .pool(let capacity) = owner {
            MemoryPool.shared.give(pointer, capacity: capacity)
        }
    }
}
