// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A temporary folder beside the place of a `StagedDirectory`, and the lock that says that somebody is at it.
struct Workplace {
    let name: TemporaryName
    /// nil while another process is at it.
    let lock: FileLock?
    private let folder: String

    /// What decides the contents, in the folder, so that it goes where they go.
    static let identityName = ".identity"

    var content: String { "\(folder)/\(name.content)" }
    private var old: String { "\(folder)/\(name.old)" }

    /// Begins a folder for what is to be called `name` in `folder`.
    init(folder: String, for name: String, identity: String? = nil, makesContent: Bool = true) throws {
        self.folder = folder
        // The lock first: a folder without one would be taken for abandoned.
        while true {
            let candidate = TemporaryName(for: name)
            let found: FileLock?
            do {
                found = try FileLock.tryAcquire("\(folder)/\(candidate.lock)")
            } catch let error as FileError where error.code != 0 {
                throw FileError("\(folder)/\(name)", "write", code: error.code)
            }
            guard let lock = found else {
                // Somebody looking around had it first.
                Files.remove("\(folder)/\(candidate.lock)")
                continue
            }
            (self.name, self.lock) = (candidate, lock)
            break
        }
        guard makesContent else { return }
        do {
            try Files.makeFolder(content)
            if let identity { try AtomicFile.write(Data(identity.utf8), toPath: "\(content)/\(Self.identityName)") }
        } catch {
            try? remove()
            throw error
        }
    }

    private init(existing name: TemporaryName, in folder: String, lock: FileLock?) {
        (self.name, self.folder, self.lock) = (name, folder, lock)
    }

    /// Those in `folder`, of this and other processes; what belongs to other users is left out.
    ///
    /// With `place`, only those for what is to be called so: the locks of others are not touched.
    static func existing(in folder: String, for place: String? = nil) throws -> [Workplace] {
        try Files.names(in: folder).compactMap { file in
            guard let name = TemporaryName(file: file), file == name.lock, place.map({ name.isFor($0) }) ?? true else {
                return nil
            }
            do {
                return Workplace(
                    existing: name,
                    in: folder,
                    lock: try FileLock.tryAcquire("\(folder)/\(file)", makes: false)
                )
            } catch {
                return nil
            }
        }
    }

    /// What decides the contents; nil if they cannot be resumed.
    var identity: String? {
        let data = try? Files.readIfPresent("\(content)/\(Self.identityName)", limit: 64 << 20)
        return data.flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Puts the contents at `place`, on the way of what is there, in one instant if the file system can.
    func move(to place: String) throws {
        guard Files.status(place) != nil else { return try Files.rename(content, to: place) }
        if try Files.exchange(content, place) { return }
        try Files.rename(place, to: old)
        do {
            try Files.rename(content, to: place)
        } catch {
            try? Files.rename(old, to: place)
            throw error
        }
    }

    /// Puts back what a killed process had moved aside and not replaced yet.
    func putBack(_ place: String) throws {
        if Files.status(place, followsLinks: false) == nil, Files.isFolder(old) { try Files.rename(old, to: place) }
    }

    /// Removes files in the contents that a killed process did not finish.
    func removeUnfinishedFiles() throws { try Self.removeFiles(in: content) }

    /// Removes files under temporary names.
    static func removeFiles(in folder: String) throws {
        for file in try Files.names(in: folder) where TemporaryName(file: file)?.content == file {
            let path = "\(folder)/\(file)"
            if let status = Files.status(path, followsLinks: false), status.st_mode & S_IFMT == S_IFREG {
                Files.remove(path)
            }
        }
    }

    /// Removes everything, the lock at the end.
    func remove() throws {
        try Files.removeTree(content)
        try Files.removeTree(old)
        lock?.remove()
    }
}
