// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Freed buffers kept for the next allocation of the same size class.
///
/// A forward pass allocates the same few sizes again and again; fresh pages from the system would cost it a page fault
/// for every 4 KiB.
package final class MemoryPool: Sendable {
    static let shared = MemoryPool()

    /// Bytes kept at most where nobody has asked for another limit.
    private static let usualLimit = 512 << 20

    fileprivate struct State {
        /// Bytes kept at most; what comes back beyond that goes to the system.
        var limit = MemoryPool.usualLimit
        /// What holders of large tensors want kept, and what holders of a model that memory is short for allow.
        var requests: [ObjectIdentifier: FreedMemoryRequest.Kind] = [:]
        // SAFETY: a pointer in here belongs to the pool alone.
        nonisolated(unsafe) var free: [Int: [UnsafeMutableRawPointer]] = [:]
        var byteCount = 0
    }

    private let state = Mutex(State())

    /// An empty pool.
    package init() {}

    deinit {
        state.withLock { state in
            state.limit = 0
            state.trim()
        }
    }

    /// Sizes are rounded up to eight classes for each power of two, so that near sizes share buffers.
    private static func capacity(for byteCount: Int) -> Int {
        let rounded = (byteCount + 63) & ~63
        guard rounded > 4096 else { return rounded }
        let step = 1 << (Int.bitWidth - 1 - rounded.leadingZeroBitCount - 3)
        return (rounded + step - 1) & ~(step - 1)
    }

    /// Bytes that are kept.
    package var byteCount: Int { state.withLock { $0.byteCount } }

    /// Bytes kept at most.
    package var limit: Int { state.withLock { $0.limit } }

    /// Keeps no more than `byteCount` bytes, where memory is short, as long as the request lives.
    package func limit(to byteCount: Int) -> FreedMemoryRequest { FreedMemoryRequest(.limit(byteCount), of: self) }

    /// Keeps up to `byteCount` bytes, unless memory is short, as long as the request lives.
    package func keep(upTo byteCount: Int) -> FreedMemoryRequest { FreedMemoryRequest(.keep(byteCount), of: self) }

    /// Changes what is asked for by the holder of `id`; nil to ask for nothing any more.
    fileprivate func change(_ kind: FreedMemoryRequest.Kind?, by id: ObjectIdentifier) {
        state.withLock { state in
            state.requests[id] = kind
            let bounds = state.requests.values.compactMap {
                if case .limit(let byteCount) = $0 { byteCount } else { nil }
            }
            let wishes = state.requests.values.compactMap {
                if case .keep(let byteCount) = $0 { byteCount } else { nil }
            }
            // Where memory is short, wishes do not count.
            state.limit =
                bounds.min().map { min(Self.usualLimit, $0) } ?? wishes.reduce(Self.usualLimit) { max($0, $1) }
            state.trim()
        }
    }

    /// Memory of at least `byteCount` bytes, and how many it is.
    package func take(byteCount: Int) -> (pointer: UnsafeMutableRawPointer, capacity: Int) {
        let capacity = Self.capacity(for: byteCount)
        let cached: UnsafeMutableRawPointer? = state.withLock { state in
            guard let pointer = state.free[capacity]?.popLast() else { return nil }
            state.byteCount -= capacity
            return pointer
        }
        if let cached { return (cached, capacity) }
        let isLarge = capacity >= 4 << 20
        var pointer: UnsafeMutableRawPointer?
        let status = posix_memalign(&pointer, isLarge ? 2 << 20 : 64, capacity)
        guard status == 0, let pointer else {
            preconditionFailure("out of memory: \(capacity) bytes for a tensor could not be allocated")
        }
        if isLarge { adviseLargePages(pointer, byteCount: capacity) }
        return (pointer, capacity)
    }

    /// Takes memory back.
    package func give(_ pointer: UnsafeMutableRawPointer, capacity: Int) {
        let isKept = state.withLock { state in
            guard state.byteCount + capacity <= state.limit else { return false }
            state.free[capacity, default: []].append(pointer)
            state.byteCount += capacity
            return true
        }
        if !isKept { free(pointer) }
    }
}

extension MemoryPool.State {
    /// Gives the largest buffers beyond the limit back to the system.
    fileprivate mutating func trim() {
        guard byteCount > limit else { return }
        for capacity in free.keys.sorted(by: >) {
            while byteCount > limit, let pointer = free[capacity]?.popLast() {
                giveBack(pointer)
                byteCount -= capacity
            }
        }
    }
}

/// `free` of the system, which the pool's own list of that name hides.
private func giveBack(_ pointer: UnsafeMutableRawPointer) { free(pointer) }

/// What somebody asks of the pool of freed memory, for as long as this object lives.
package final class FreedMemoryRequest: Sendable {
    /// What is asked for.
    enum Kind: Sendable {
        /// No more than so many bytes.
        case limit(Int)
        /// Up to so many bytes.
        case keep(Int)
    }

    private let pool: MemoryPool

    fileprivate init(_ kind: Kind, of pool: MemoryPool) {
        self.pool = pool
        pool.change(kind, by: ObjectIdentifier(self))
    }

    deinit {
        pool.change(nil, by: ObjectIdentifier(self))
    }
}

extension Engine {
    /// Keeps no more than `byteCount` bytes of freed tensors for the next ones, where memory is short.
    ///
    /// - Parameter byteCount: the limit.
    /// - Returns: the request, which ends with the object.
    package static func limitFreedMemory(to byteCount: Int) -> FreedMemoryRequest {
        MemoryPool.shared.limit(to: byteCount)
    }

    /// Keeps up to `byteCount` bytes of freed tensors for the next ones, unless memory is short.
    ///
    /// For work that needs the same large tensors again and again, such as gradients: fresh memory must be cleared by the
    /// system.
    ///
    /// - Parameter byteCount: how many.
    /// - Returns: the request, which ends with the object.
    package static func keepFreedMemory(upTo byteCount: Int) -> FreedMemoryRequest {
        MemoryPool.shared.keep(upTo: byteCount)
    }
}

/// Asks the system to back a large buffer with large pages, where it has such advice to take.
private func adviseLargePages(_ pointer: UnsafeMutableRawPointer, byteCount: Int) {
    #if os(Linux)
    _ = madvise(pointer, byteCount, 14)  // MADV_HUGEPAGE, a macro the importer does not see
    #endif
}
