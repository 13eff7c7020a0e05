// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The control groups this process is in, version 1 or 2, as the system's files tell of them.
struct ControlGroups: Sendable {
    /// One of the groups.
    struct Group {
        /// Where its files are.
        let folder: String
        /// Whether it is one of version 2.
        let isUnified: Bool
    }

    private let root: URL

    /// The groups of this system, or of the one that `proc` and `sys` in the folder `root` tell of.
    init(root: URL = URL(filePath: "/", directoryHint: .isDirectory)) {
        self.root = root
    }

    /// The groups that `controller` has and that hold this process, from where they are mounted down to its own.
    func groups(of controller: String) -> [Group] {
        let memberships = text("proc/self/cgroup")?.split(separator: "\n") ?? []
        return memberships.flatMap { line -> [Group] in
            // hierarchy:controllers:path, where version 2 has no controllers here.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            let isUnified = fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains(controller[...]) else { return [] }
            return mounts(of: controller, isUnified: isUnified).flatMap { mount in
                folders(of: String(fields[2]), under: mount).map { Group(folder: $0, isUnified: isUnified) }
            }
        }
    }

    /// The text of a file; nil where there is none.
    func text(_ path: String) -> String? {
        // Files of the kernel have no size, so they are read to their end.
        (try? Data(contentsOf: root.appending(path: path))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The number a file holds; nil also for `max`.
    func number(_ path: String) -> Int? {
        text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    // MARK: - Mounts

    private struct Mount {
        /// The group that is mounted.
        let group: String
        /// Where.
        let place: String
    }

    private func mounts(of controller: String, isUnified: Bool) -> [Mount] {
        (text("proc/self/mountinfo")?.split(separator: "\n") ?? []).compactMap { line in
            // … group place options - type source options; see proc(5).
            let halves = line.components(separatedBy: " - ")
            let before = halves[0].split(separator: " ")
            let after = halves.count == 2 ? halves[1].split(separator: " ") : []
            guard before.count >= 5, after.count >= 3 else { return nil }
            let isWanted =
                isUnified
                ? after[0] == "cgroup2"
                : after[0] == "cgroup" && after[2].split(separator: ",").contains(controller[...])
            return isWanted ? Mount(group: String(before[3]), place: String(before[4])) : nil
        }
    }

    private func folders(of path: String, under mount: Mount) -> [String] {
        // In a container the group may be named from outside; then the mount is it.
        var parts = path.split(separator: "/")
        let mounted = mount.group.split(separator: "/")
        if parts.starts(with: mounted) { parts.removeFirst(mounted.count) } else { parts = [] }
        return (0...parts.count).map { count in
            ([mount.place] + parts.prefix(count).map(String.init)).joined(separator: "/")
        }
    }
}
