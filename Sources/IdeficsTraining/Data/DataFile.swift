// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// The bytes of a data file, read where they are asked for: a file of any size costs no memory.
///
/// It is not mapped, so that a file cut short while a run goes on is an error and not the end of the process. Data is read
/// more than once: what can be read only once (a pipe, standard input) is copied to a temporary file without a name first.
final class DataFile: Sendable {
    /// The path as it was given.
    let path: String
    /// Where relative paths in the data begin: the file's folder; the working directory for what lies in none.
    let folder: URL
    /// Bytes when it was opened.
    let byteCount: Int

    private let bytes: ByteStream

    /// Opens the file at `path`; `-` is standard input.
    ///
    /// - Throws: `TrainingError.file`.
    init(path: String) throws {
        self.path = path
        do {
            let given = try ByteStream(path: path)
            folder = given.folder
            bytes = given.isSeekable ? given : try ByteStream(copyOf: given)
            byteCount = Int(bytes.byteCount ?? 0)
        } catch let error as FileError where error.operation == "copy" {
            let folder = ByteStream.temporaryFolder
            throw TrainingError.file(
                path: path,
                reason: "cannot be copied to \(folder), which data from a pipe needs: \(error.reason)"
            )
        } catch let error as FileError {
            throw Self.unreadable(path, error)
        }
    }

    /// The bytes `range`, which must lie within the file as it was opened.
    ///
    /// - Throws: `TrainingError.file` when they cannot be read (any more).
    func read(_ range: Range<Int>) throws -> [UInt8] {
        do {
            let found = try bytes.read(at: range.lowerBound, count: range.count)
            if found.count == range.count { return found }
        } catch let error as FileError {
            throw Self.unreadable(path, error)
        }
        throw TrainingError.file(path: path, reason: "was cut short while it was used: it had \(byteCount) bytes")
    }

    private static func unreadable(_ path: String, _ error: FileError) -> TrainingError {
        .file(path: path, reason: "cannot be read: \(error.reason)")
    }
}
