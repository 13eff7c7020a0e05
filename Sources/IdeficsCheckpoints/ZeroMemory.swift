// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Zeros of any size that take no memory until touched, and little then: a private map of nothing.
final class ZeroMemory: Sendable {
    // SAFETY: the map cannot be written, and is unmapped only by deinit.
    private nonisolated(unsafe) let pointer: UnsafeMutableRawPointer
    let byteCount: Int

    /// `byteCount` zeros; nil when there is not that much address space.
    init?(byteCount: Int) {
        let size = max(byteCount, 1)
        #if canImport(Darwin)
        let flags = MAP_PRIVATE | MAP_ANON
        #else
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        #endif
        guard let map = mmap(nil, size, PROT_READ, flags, -1, 0), map != MAP_FAILED else { return nil }
        pointer = map
        self.byteCount = size
    }

    deinit {
        munmap(pointer, byteCount)
    }

    /// A tensor of zeros, which keeps the map alive; `shape` takes at most `byteCount` bytes.
    func tensor(shape: [Int], dtype: DType) -> Tensor {
        let storage = TensorStorage(borrowing: pointer, byteCount: byteCount, owner: self)
        return Tensor(shape: shape, dtype: dtype, storage: storage)
    }
}
