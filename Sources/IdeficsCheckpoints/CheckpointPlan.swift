// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsTensor

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

/// What a checkpoint is to hold and in which order: the one way in which models are written.
///
/// Each entry has a source, which is whatever its writer makes the tensors from, and is stored as one tensor or several
/// (the codes and scales of a quantized matrix). Sources become tensors one at a time, so that any checkpoint is written
/// in the memory of its largest entry.
package struct CheckpointPlan<Source: Sendable>: Sendable {
    /// One parameter and how it will be stored.
    package struct Entry: Sendable {
        /// What its tensors are made from.
        package let source: Source
        /// Its tensors.
        package let declarations: [SafetensorsWriter.Declaration]

        /// An entry stored as `declarations`.
        package init(_ source: Source, _ declarations: [SafetensorsWriter.Declaration]) {
            self.source = source
            self.declarations = declarations
        }

        /// Bytes of its tensors.
        package var byteCount: Int { declarations.reduce(0) { $0 + $1.byteCount } }
    }

    /// The entries in the order they are written.
    package let entries: [Entry]
    /// A file takes no more bytes, unless one tensor alone does.
    package let shardByteCount: Int

    /// A plan of `entries`.
    package init(_ entries: [Entry], shardByteCount: Int = CheckpointWriter.defaultShardByteCount) {
        self.entries = entries
        self.shardByteCount = shardByteCount
    }

    /// Bytes of all tensors.
    package var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }

    /// Writes the files of weights into `directory`, which must exist.
    ///
    /// - Parameters:
    ///   - directory: where the files go.
    ///   - keepsFinishedShards: whether shards that an earlier run finished there are kept; what is in them is not made
    ///     again.
    ///   - before: called with each entry in turn, also with those that are there already.
    ///   - progress: called with the bytes that are done after each entry.
    ///   - tensors: makes the tensors of a source, of the shapes declared and in that order; weights of another type than
    ///     was declared are cast.
    /// - Throws: `CheckpointError.unwritable`, and what the closures throw.
    package func write(
        to directory: URL,
        keepsFinishedShards: Bool = false,
        before: (Entry, CheckpointWriter) throws -> Void = { _, _ in },
        progress: (_ byteCount: Int) -> Void = { _ in },
        tensors: (Source) throws -> [Tensor]
    ) throws {
        let writer = try CheckpointWriter(
            directory,
            tensors: entries.flatMap(\.declarations),
            shardByteCount: shardByteCount,
            keepsFinishedShards: keepsFinishedShards
        )
        var written = 0
        for entry in entries {
            try before(entry, writer)
            if entry.declarations.contains(where: { writer.needs($0.name) }) {
                // A run that stopped between two shards may have written the one tensor and not the other.
                for (declaration, tensor) in zip(entry.declarations, try tensors(entry.source))
                where writer.needs(declaration.name) {
                    try writer.write(
                        tensor.dtype == declaration.dtype ? tensor : cast(tensor, to: declaration.dtype),
                        named: declaration.name
                    )
                }
            }
            written += entry.byteCount
            progress(written)
        }
        try writer.finish()
    }
}
