// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A directory that appears whole or not at all: filled beside its place, then renamed.
///
/// Until `commit` returns, what was at the place before is untouched. An abandoned directory removes itself, unless it is
/// one that a later run resumes.
public final class StagedDirectory {
    /// Where to put the files.
    public let url: URL
    private let place: URL
    private let replacesExisting: Bool
    private let isResumable: Bool
    private var isCommitted = false

    /// Begins the directory that is to appear at `place`; folders above it are made.
    ///
    /// - Parameters:
    ///   - place: where it is to appear.
    ///   - replacesExisting: whether something may be there already, other than an empty directory.
    ///   - identity: what decides the contents; files of an abandoned run of the same identity are found again. nil for a
    ///     directory that cannot be resumed.
    /// - Throws: `CheckpointError.unwritable`.
    public init(_ place: URL, replacesExisting: Bool = false, resuming identity: String? = nil) throws {
        self.place = place
        self.replacesExisting = replacesExisting
        isResumable = identity != nil
        var status = stat()
        if stat(place.path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw CheckpointError.unwritable(file: place.path, reason: "a file is there")
            }
            let isEmpty = (try? FileManager.default.contentsOfDirectory(atPath: place.path).isEmpty) ?? false
            guard isEmpty || replacesExisting else {
                throw CheckpointError.unwritable(file: place.path, reason: "the directory is not empty")
            }
        }
        let unique = identity == nil ? String(UInt64.random(in: 0...UInt64.max), radix: 36) : "partial"
        url = place.deletingLastPathComponent().appending(path: ".\(place.lastPathComponent).\(unique).tmp")
        do {
            if let identity { try Self.discard(url, unless: identity) }
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            if let identity { try AtomicFile.write(Data(identity.utf8), to: url.appending(path: Self.identityName)) }
        } catch {
            throw CheckpointError.unwritable(file: place.path, reason: "\(error)")
        }
    }

    private static let identityName = ".identity"

    /// Removes what an earlier run left that was about something else.
    private static func discard(_ url: URL, unless identity: String) throws {
        guard FileManager.default.fileExists(atPath: url.path) else { return }
        let found = try? Data(contentsOf: url.appending(path: identityName))
        if found != Data(identity.utf8) { try FileManager.default.removeItem(at: url) }
    }

    deinit {
        if !isCommitted && !isResumable { try? FileManager.default.removeItem(at: url) }
    }

    /// Writes a small file into it.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    public func write(_ data: Data, to name: String) throws {
        try AtomicFile.write(data, to: url.appending(path: name))
    }

    /// Makes the directory appear at its place.
    ///
    /// - Throws: `CheckpointError.unwritable`; what was there before is then where it was.
    public func commit() throws {
        if isResumable { try? FileManager.default.removeItem(at: url.appending(path: Self.identityName)) }
        let aside = url.deletingLastPathComponent().appending(path: url.lastPathComponent + ".old")
        // rename replaces an empty directory by itself; a full one has to step aside first.
        let hasOld = replacesExisting && rename(place.path, aside.path) == 0
        guard rename(url.path, place.path) == 0 else {
            let reason = String(cString: strerror(errno))
            if hasOld { _ = rename(aside.path, place.path) }
            throw CheckpointError.unwritable(file: place.path, reason: reason)
        }
        isCommitted = true
        AtomicFile.flushFolder(of: place)
        if hasOld { try? FileManager.default.removeItem(at: aside) }
    }
}
