// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import IdeficsTensor

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

/// The bytes of a whole file: mapped, or in memory for tests.
package struct FileContents: Sendable {
    let url: URL
    /// All its bytes; tensors are views of it.
    let storage: TensorStorage

    /// Maps the file at `url`.
    ///
    /// - Throws: `CheckpointError.unreadable`; also for a Git LFS pointer.
    package init(mapping url: URL) throws {
        do {
            let map = try MappedFile(url)
            self.init(url: url, storage: map.storage(0..<map.byteCount))
        } catch TensorError.file(let path, let reason) {
            throw CheckpointError.unreadable(file: path, reason: reason)
        }
        // The one damage everybody meets once.
        if withUnsafeBytes({ GitLFS.isPointer($0) }) {
            throw CheckpointError.unreadable(file: url.path, reason: GitLFS.pointerReason)
        }
    }

    /// A copy of `bytes`, which errors say are the file `url`.
    package init(_ bytes: [UInt8], url: URL) {
        let storage = TensorStorage(byteCount: bytes.count)
        UnsafeMutableRawBufferPointer(start: storage.pointer, count: bytes.count).copyBytes(from: bytes)
        self.init(url: url, storage: storage)
    }

    private init(url: URL, storage: TensorStorage) {
        self.url = url
        self.storage = storage
    }

    /// Calls `body` with the bytes.
    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(storage) {
            try body(UnsafeRawBufferPointer(start: storage.pointer, count: storage.byteCount))
        }
    }
}
