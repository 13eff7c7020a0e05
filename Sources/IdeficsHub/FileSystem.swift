// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

/// The file operations that only the cache needs.
enum FileSystem {
    /// Makes `path` a symbolic link to `target`, replacing what is there in one step.
    static func link(_ path: String, to target: String) throws {
        let (folder, name) = Files.split(path)
        try Files.makeFolder(folder)
        do {
            return try Files.link(path, to: target)
        } catch let error as FileError where error.code == EEXIST {}
        if Files.destination(ofLink: path) == target { return }
        let random = String(UInt64.random(in: 0...(.max)), radix: 36)
        let temporary = "\(folder)/.\(name.prefix(60)).\(random).tmp"
        try Files.link(temporary, to: target)
        do {
            try Files.rename(temporary, to: path)
        } catch {
            Files.remove(temporary)
            throw error
        }
    }

    /// Paths of all regular files below `folder`, symbolic links to files included.
    static func files(below folder: String) -> [String] {
        guard let paths = try? FileManager.default.subpathsOfDirectory(atPath: folder) else { return [] }
        return paths.filter { Files.size(folder + "/" + $0) != nil }.sorted()
    }
}
