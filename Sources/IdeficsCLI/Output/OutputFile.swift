// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation

/// A file that a command writes, and replaces if it is there: never one that it reads, or that may be a model's.
///
/// Make one before the work that its contents take.
struct OutputFile {
    /// Where it is written: behind symbolic links, which stay.
    let url: URL
    private let path: String

    /// A file at `path`.
    ///
    /// - Parameters:
    ///   - path: as the user gives it.
    ///   - folders: of the model and its adapter: nothing is written beside their files.
    /// - Throws: `CommandError` for a place in one of the folders, also through a link; `FileError` for links without end.
    init(_ path: String, apartFrom folders: [URL]) throws {
        self.path = path
        // A device or a pipe has no other place.
        let isOther = Files.status(path) != nil && Files.size(path) == nil
        let place = isOther ? path : try Files.placeBehindLinks(path)
        url = URL(localPath: place)
        for folder in folders.map(\.path) {
            guard !Files.isPlace(place, in: folder) else {
                throw CommandError(
                    "\(printable(path)): lies in the folder of a model that is read; choose another place"
                )
            }
            // Files in the hub's cache are links to where they lie.
            try check(apartFrom: ((try? Files.names(in: folder)) ?? []).map { "\(folder)/\($0)" })
        }
    }

    /// Refuses to be one of `files`, by whatever name.
    ///
    /// - Throws: `CommandError`.
    func check(apartFrom files: [String]) throws {
        guard let file = files.first(where: { Files.isSameFile($0 == "-" ? "/dev/stdin" : $0, url.path) }) else {
            return
        }
        throw CommandError(
            "\(printable(path)): is read (\(printable(file))) and would be replaced; choose another place"
        )
    }

    /// Refuses to be one of the pictures in `prompts`.
    ///
    /// - Throws: `CommandError`.
    func check(apartFrom prompts: [Prompt]) throws {
        try check(
            apartFrom: prompts.flatMap(\.items).compactMap {
                if case .image(.file(let url)) = $0 { url.path } else { nil }
            }
        )
    }
}
