// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension Files {
    /// As the system's own limit.
    private static let maximumLinkCount = 40

    /// Whether two paths lead to one file: by another spelling, a symbolic link or a hard link.
    package static func isSameFile(_ path: String, _ other: String) -> Bool {
        guard let first = status(path), let second = status(other) else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    /// Whether a file, if one is written at `path`, lies in `folder` itself.
    package static func isPlace(_ path: String, in folder: String) -> Bool {
        isSameFile(split(path).folder, folder)
    }

    /// The place that symbolic links at `path` lead to, whether or not a file is there; `path` itself where there are none.
    ///
    /// - Throws: `FileError` for links that lead in a circle.
    package static func placeBehindLinks(_ path: String) throws -> String {
        var place = path
        for _ in 0..<maximumLinkCount {
            guard let destination = destination(ofLink: place) else { return place }
            let folder = split(place).folder
            place = destination.utf8.first == UInt8(ascii: "/") ? destination : "\(folder)/\(destination)"
        }
        throw FileError(path, "write", code: ELOOP)
    }
}
