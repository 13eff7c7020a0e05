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
final class MemoryPool: Sendable {
    static let shared = MemoryPool()

    private struct State {
        /// Bytes kept at most; what comes back beyond that goes to the system.
        var limit = 512 << 20
        /// Whether memory is short.
        var isLimited = false
        // SAFETY: a pointer in here belongs to the pool alone.
        nonisolated(unsafe) var free: [Int: [UnsafeMutableRawPointer]] = [:]
        var byteCount = 0
    }

    private let state = Mutex(State())

    /// Sizes are rounded up to eight classes for each power of two, so that near sizes share buffers.
    private static func capacity(for byteCount: Int) -> Int {
        let rounded = (byteCount + 63) & ~63
        guard rounded > 4096 else { return rounded }
        let step = 1 << (Int.bitWidth - 1 - rounded.leadingZeroBitCount - 3)
        return (rounded + step - 1) & ~(step - 1)
    }

    /// Keeps no more than `byteCount` bytes from now on, where memory is short.
    func limit(to byteCount: Int) {
        state.withLock { state in
            state.limit = min(state.limit, byteCount)
            state.isLimited = true
        }
    }

    /// Keeps up to `byteCount` bytes from now on, unless memory is short.
    func keep(upTo byteCount: Int) {
        state.withLock { state in
            if !state.isLimited { state.limit = byteCount }
        }
    }

    func take(byteCount: Int) -> (pointer: UnsafeMutableRawPointer, capacity: Int) {
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

    func give(_ pointer: UnsafeMutableRawPointer, capacity: Int) {
        let isKept = state.withLock { state in
            guard state.byteCount + capacity <= state.limit else { return false }
            state.free[capacity, default: []].append(pointer)
            state.byteCount += capacity
            return true
        }
        if !isKept { free(pointer) }
    }
}

/// Asks the system to back a large buffer with large pages, where it has such advice to take.
private func adviseLargePages(_ pointer: UnsafeMutableRawPointer, byteCount: Int) {
    #if os(Linux)
    _ = madvise(pointer, byteCount, 14)  // MADV_HUGEPAGE, a macro the importer does not see
    #endif
}
