// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A folder that appears whole or not at all: filled beside its place, then renamed.
///
/// Until `commit` returns, what was at the place before is untouched, and after it is there, whole, whenever the process
/// is killed. An abandoned folder removes itself, unless it is one that a later run resumes. What killed runs left is
/// found by its `TemporaryName` and its free lock, and resumed or removed by the next run for the same place.
public final class StagedDirectory {
    /// Where to put the files.
    public let url: URL
    private let place: String
    private let workplace: Workplace
    private let replacesExisting: Bool
    private let isResumable: Bool
    private var isCommitted = false

    /// Begins the folder that is to appear at `place`; folders above it are made.
    ///
    /// - Parameters:
    ///   - place: where it is to appear; of a symbolic link, where it points.
    ///   - replacesExisting: whether something may be there already, other than an empty folder: a folder with a
    ///     configuration and nothing but files of models, adapters or checkpoints of training; anything else is never
    ///     replaced.
    ///   - sources: folders that are still needed; a place that is one of them, or holds one, is refused.
    ///   - identity: what decides the contents; files of an abandoned run of the same identity are found again. nil for a
    ///     folder that cannot be resumed.
    /// - Throws: `FileError`, also when another process is writing the same folder.
    public init(
        _ place: URL,
        replacesExisting: Bool = false,
        keeping sources: [URL] = [],
        resuming identity: String? = nil
    ) throws {
        self.place = try Self.resolved(place.path)
        for source in sources {
            guard let path = Files.realPath(source.path), "\(path)/".utf8.starts(with: "\(self.place)/".utf8) else {
                continue
            }
            throw FileError(self.place, "write", reason: "\(path), which is read, is there; choose another folder")
        }
        self.replacesExisting = replacesExisting
        isResumable = identity != nil
        let (folder, name) = Files.split(self.place)
        try Files.makeFolder(folder)
        try Files.checkLength(self.place)
        var resumed: Workplace?
        for found in try Self.idle(in: folder, for: name, place: self.place) {
            guard let lock = found.lock else { continue }
            guard lock.isExclusive else { continue }
            try found.putBack(self.place)
            if let identity, resumed == nil, found.identity == identity {
                resumed = found
            } else {
                try found.remove()
            }
        }
        try Self.check(self.place, replacesExisting: replacesExisting)
        let workplace: Workplace
        if let resumed {
            try resumed.removeUnfinishedFiles()
            workplace = resumed
        } else {
            workplace = try Workplace(folder: folder, for: name, identity: identity)
        }
        self.workplace = workplace
        url = URL(filePath: workplace.content, directoryHint: .isDirectory)
    }

    deinit {
        if !isCommitted && !isResumable { try? workplace.remove() }
    }

    /// Writes a small file into it.
    ///
    /// - Throws: `FileError`.
    public func write(_ data: Data, to name: String) throws {
        try AtomicFile.write(data, toPath: "\(workplace.content)/\(name)")
    }

    /// Makes the folder appear at its place.
    ///
    /// - Throws: `FileError`; what was there before is then where it was.
    public func commit() throws {
        try Self.check(place, replacesExisting: replacesExisting)
        Files.flush(folder: workplace.content)
        try workplace.move(to: place)
        isCommitted = true
        Files.flush(folder: Files.split(place).folder)
        Files.remove("\(place)/\(Workplace.identityName)")
        try? workplace.remove()
    }

    /// Removes a folder that this program made, its name first: half of it is never to be seen there.
    ///
    /// - Throws: `FileError`; an error of the removal itself leaves what is to be removed to `removeAbandoned`.
    package static func discard(_ place: URL) throws {
        let (folder, name) = Files.split(try resolved(place.path))
        let workplace = try Workplace(folder: folder, for: name, makesContent: false)
        do {
            try Files.rename(place.path, to: workplace.content)
        } catch {
            try? workplace.remove()
            throw error
        }
        try workplace.remove()
    }

    /// Removes what killed runs left in `folder`, and puts back what one of them was just replacing.
    ///
    /// What is being made now stays, and what a run may resume, unless told otherwise.
    ///
    /// - Parameters:
    ///   - folder: where they wrote.
    ///   - includingResumable: whether what a run may resume goes, too.
    ///   - includingFiles: whether single files that were not finished go, too; only for a folder nobody else writes to.
    /// - Throws: `FileError`.
    package static func removeAbandoned(
        in folder: URL,
        includingResumable: Bool = false,
        includingFiles: Bool = false
    ) throws {
        for found in try Workplace.existing(in: folder.path) where found.lock?.isExclusive == true {
            try found.putBack("\(folder.path)/\(found.name.name)")
            if includingResumable || found.identity == nil { try found.remove() }
        }
        if includingFiles { try Workplace.removeFiles(in: folder.path) }
    }

    /// Folders in `folder` that killed runs did not finish, and a run may resume.
    package static func resumable(in folder: URL) -> [URL] {
        ((try? Workplace.existing(in: folder.path)) ?? [])
            .filter { $0.lock?.isExclusive == true && $0.identity != nil }
            .map { URL(filePath: $0.content, directoryHint: .isDirectory) }
    }

    /// What others left that are not at it any more.
    ///
    /// - Throws: `FileError` while another process is at it.
    private static func idle(in folder: String, for name: String, place: String) throws -> [Workplace] {
        for _ in 0..<10 {
            let found = try Workplace.existing(in: folder, for: name)
            if found.allSatisfy({ $0.lock != nil }) { return found }
            // Somebody may only have looked whether the lock is free.
            usleep(20_000)
        }
        throw FileError(place, "write", reason: "another process is writing it")
    }

    // MARK: - The place

    private static func resolved(_ path: String) throws -> String {
        var path = path
        while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.unicodeScalars.removeLast() }
        if let real = Files.realPath(path) { return real }
        guard Files.status(path, followsLinks: false) == nil else {
            throw FileError(path, "write", reason: "a symbolic link to something that does not exist is there")
        }
        return path
    }

    private static func check(_ place: String, replacesExisting: Bool) throws {
        guard let status = Files.status(place) else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw FileError(place, "write", reason: "a file is there") }
        let parent = Files.split(place).folder
        guard place != "/", Files.status(parent)?.st_dev == status.st_dev else {
            throw FileError(
                place,
                "write",
                reason: "a disk is mounted there, which cannot be replaced; name a folder in it"
            )
        }
        let names = try Files.names(in: place)
        if names.isEmpty { return }
        guard replacesExisting else { throw FileError(place, "write", reason: "the directory is not empty") }
        let folders = names.filter {
            (Files.status("\(place)/\($0)", followsLinks: false)?.st_mode ?? 0) & S_IFMT == S_IFDIR
        }
        if let folder = folders.first {
            let reason = "it holds the folder \(folder), which no model has; remove it yourself or choose another place"
            throw FileError(place, "write", reason: reason)
        }
        guard names.contains(where: Self.configurations.contains) else {
            let reason = "no model, adapter or checkpoint is there; remove it yourself or choose another place"
            throw FileError(place, "write", reason: reason)
        }
        if let name = names.first(where: { !ModelFileName.isKnown($0) && TemporaryName(file: $0) == nil }) {
            let reason =
                "it holds \(printable(name)), which is no file of a model and would be lost; move it away or choose "
                + "another place"
            throw FileError(place, "write", reason: reason)
        }
    }

    /// Of a model, an adapter, a checkpoint of training and a quantized copy.
    private static let configurations: Set = ["config.json", "adapter_config.json", "state.json", "idefics_copy.json"]
}
