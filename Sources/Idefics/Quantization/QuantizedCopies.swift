// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

/// The quantized copies in the application's cache; only what this program made, by the record in it, is touched.
public struct QuantizedCopies: Sendable {
    /// One copy.
    public struct Copy: Sendable, Codable, Equatable {
        /// Where it is.
        public let path: String
        /// The model it is of, as it was called when the copy was made.
        public let source: String
        /// How the decoder is stored.
        public let format: String
        /// Its size on the disk.
        public let byteCount: Int64
        /// When it was made or used last.
        public let lastUsed: Date
        /// Whether the model is still what it was; if not, the copy is never used again.
        public let isCurrent: Bool
    }

    /// Where they are.
    public let directory: URL

    /// The copies in `cache`.
    ///
    /// - Parameter cache: where copies are kept, in `quantized/`.
    public init(cache: ApplicationCache = ApplicationCache()) {
        directory = cache.quantizedCopiesDirectory
    }

    /// All copies, the one used last first.
    ///
    /// - Throws: `FileError` when the cache cannot be read.
    public func list() throws -> [Copy] {
        guard Files.status(directory.path) != nil else { return [] }
        return try Files.names(in: directory.path).compactMap { name in
            let place = directory.appending(path: name, directoryHint: .isDirectory)
            // A link is somebody else's arrangement.
            guard !name.utf8.starts(with: ".".utf8), Files.destination(ofLink: "\(directory.path)/\(name)") == nil,
                let record = QuantizedCopyRecord(of: place)
            else { return nil }
            let path = place.appending(path: QuantizedCopyRecord.fileName).path
            return Copy(
                path: "\(directory.path)/\(name)",
                source: record.source,
                format: record.format,
                byteCount: Self.byteCount(place),
                lastUsed: Date(timeIntervalSince1970: Files.modificationTime(path).flatMap { Double($0) } ?? 0),
                isCurrent: record.isCurrent
            )
        }.sorted { ($1.lastUsed, $0.path) < ($0.lastUsed, $1.path) }
    }

    /// What killed processes did not finish, with its size; it is gone on with when the copy is asked for again.
    public func unfinished() -> [(path: String, byteCount: Int64)] {
        StagedDirectory.resumable(in: directory).map { ($0.path, Self.byteCount($0)) }
    }

    /// Removes a copy, its name first; a program that has it open keeps it until it ends.
    ///
    /// - Parameter copy: one of `list()`.
    /// - Returns: false if it is being made again at this moment, or is no copy any more, and stays.
    /// - Throws: `FileError`.
    public func remove(_ copy: Copy) throws -> Bool {
        let place = URL(localPath: copy.path, isDirectory: true)
        guard Files.realPath(Files.split(copy.path).folder) == Files.realPath(directory.path),
            let lock = try FileLock.tryAcquire(Self.lock(of: place)), QuantizedCopyRecord(of: place) != nil
        else { return false }
        try StagedDirectory.discard(place)
        lock.remove()
        return true
    }

    /// Removes what `unfinished` names.
    ///
    /// - Throws: `FileError`.
    public func removeUnfinished() throws {
        guard Files.status(directory.path) != nil else { return }
        try StagedDirectory.removeAbandoned(in: directory, includingResumable: true)
    }

    /// The file of the lock that is held while a copy is made.
    static func lock(of place: URL) -> String {
        let (folder, name) = Files.split(place.path)
        return "\(folder)/.\(name).lock"
    }

    private static func byteCount(_ folder: URL) -> Int64 {
        ((try? Files.names(in: folder.path)) ?? []).reduce(0) { $0 + (Files.size("\(folder.path)/\($1)") ?? 0) }
    }
}
