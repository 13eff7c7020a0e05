// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor

/// Tells whether a model is the one a run began with.
///
/// Small files are told by their contents, weights by size, header and samples: some MB are read, however large the model
/// is.
package struct ModelIdentity: Sendable, Equatable, Codable {
    /// What is known of a file.
    package struct File: Sendable, Equatable, Codable {
        /// Its size.
        package let byteCount: Int
        /// Of the sampled bytes.
        package let crc32c: UInt32
    }

    /// By name.
    package let files: [String: File]

    /// Files that decide, beside the weights, how the model reads and computes.
    private static let smallFiles = [
        "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json",
    ]

    /// Looks at the model in `directory`.
    ///
    /// - Throws: `CheckpointError` when there are no weights, `TrainingError.file` for a file that cannot be read.
    package init(directory: URL) throws {
        let weights = try Checkpoint(directory: directory).weightFileNames
        let small = Self.smallFiles.filter {
            Files.exists(directory.appending(path: $0))
        }
        files = try Dictionary(
            uniqueKeysWithValues: (weights + small).map { ($0, try File(sampling: directory.appending(path: $0))) }
        )
    }

    /// What is another in `other`, the model of today; nil when nothing is.
    package func difference(from other: ModelIdentity) -> String? {
        for name in Set(files.keys).union(other.files.keys).sorted() {
            guard let before = files[name] else { return "\(name) is new" }
            guard let now = other.files[name] else { return "\(name) is missing" }
            if before.byteCount != now.byteCount {
                return "\(name) had \(before.byteCount) bytes and has \(now.byteCount)"
            }
            if before != now { return "\(name) has other contents" }
        }
        return nil
    }
}

extension ModelIdentity.File {
    /// Bytes at the beginning, where the header is; files up to this size are read whole.
    private static let headByteCount = 1 << 20
    /// Pieces of the rest, evenly from its beginning to its end.
    private static let pieceCount = 128
    private static let pieceByteCount = 4096

    /// Looks at the file at `url`.
    init(sampling url: URL) throws {
        do {
            let file = try MappedFile(url)
            byteCount = file.byteCount
            var bytes = Data()
            func read(_ offset: Int, _ count: Int) {
                file.withUnsafeBytes { bytes += $0.dropFirst(offset).prefix(count) }
            }
            read(0, Self.headByteCount)
            let rest = byteCount - Self.headByteCount - Self.pieceByteCount
            if rest > 0 {
                for piece in 0..<Self.pieceCount {
                    let share = Double(piece) / Double(Self.pieceCount - 1)
                    read(Self.headByteCount + Int(share * Double(rest)), Self.pieceByteCount)
                }
            } else if byteCount > Self.headByteCount {
                read(Self.headByteCount, Self.pieceByteCount)
            }
            crc32c = bytes.withUnsafeBytes { CRC32.checksum($0, .castagnoli) }
        } catch TensorError.file(_, let reason) {
            throw TrainingError.file(path: url.path, reason: "cannot be read: \(reason)")
        }
    }
}
