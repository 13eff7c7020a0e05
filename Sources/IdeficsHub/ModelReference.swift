// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// What a user gives as a model: a folder, or a repository of the hub.
public enum ModelReference: Hashable, Sendable {
    /// A folder with the model's files.
    case directory(URL)
    /// `ORG/NAME`, at a revision.
    case repository(RepoId, Revision)

    /// Reads `ORG/NAME`, `ORG/NAME@REVISION` or the path of a folder.
    ///
    /// A path is what starts with `/`, `.` or `~`, or names something that is there (a file is no model, but then nobody
    /// meant the hub either).
    ///
    /// - Parameter text: The reference.
    /// - Throws: `HubError.invalidRepoId` or `HubError.invalidRevision` if it is neither.
    public init(_ text: String) throws {
        var isDirectory = false
        let home = ProcessInfo.processInfo.environment["HOME"] ?? "/"
        let expanded = text.hasPrefix("~") ? Files.expanded(text, environment: ["HOME": home]) : text
        let exists = FileManager.default.fileExists(atPath: expanded, isDirectory: &isDirectory)
        let looksLikePath = text.hasPrefix("/") || text.hasPrefix(".") || text.hasPrefix("~")
        let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: expanded)) != nil
        if !text.isEmpty, looksLikePath || exists || isLink {
            guard exists, isDirectory else {
                let reason = exists ? "a file, not a folder" : isLink ? "a link that leads nowhere" : "no such folder"
                throw HubError.invalidRepoId(printable(text), reason: reason)
            }
            self = .directory(URL(filePath: expanded, directoryHint: .isDirectory))
            return
        }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let id = try RepoId(parts.first.map { String($0) } ?? "")
        self = .repository(id, parts.count == 2 ? try Revision(String(parts[1])) : .main)
    }
}
