// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// How much memory this process can get from the system, as the system's files tell it.
///
/// The least of what the machine has (`MemAvailable`) and what every control group leaves that the process is in,
/// version 1 or 2, parents included. Pages of files count as free: they can be read again. `ulimit` plays no part here:
/// on Linux `-m` does nothing, `-d` does not count mapped files, and `-v` lets a map be made or not.
public struct SystemMemory: Sendable {
    private let root: URL

    /// The memory of this system.
    public init() {
        self.init(root: URL(filePath: "/", directoryHint: .isDirectory))
    }

    /// The memory that `proc` and `sys` in the folder `root` tell of, for tests.
    package init(root: URL) {
        self.root = root
    }

    /// Bytes that this process may take beyond what it and others hold, files' pages aside.
    public var availableByteCount: Int {
        let machine = meminfo("MemAvailable") ?? Int(clamping: ProcessInfo.processInfo.physicalMemory) / 2
        return max(0, min(machine, controlGroups.compactMap(\.available).min() ?? machine))
    }

    /// Bytes this process holds in memory that no file could give back.
    public var anonymousByteCount: Int {
        kilobytes("proc/self/status", key: "RssAnon") ?? 0
    }

    /// The most bytes this process held in memory at once, mapped files included; nil where the system does not say.
    public var peakByteCount: Int? {
        kilobytes("proc/self/status", key: "VmHWM")
    }

    private func text(_ path: String) -> String? {
        // Files of the kernel have no size, so they are read to their end.
        (try? Data(contentsOf: root.appending(path: path))).map { String(decoding: $0, as: UTF8.self) }
    }

    private func meminfo(_ key: String) -> Int? { kilobytes("proc/meminfo", key: key) }

    private func kilobytes(_ path: String, key: String) -> Int? {
        let line = text(path)?.split(separator: "\n").first { $0.hasPrefix("\(key):") }
        // A tab stands before the number, and no space more where it has eight digits.
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }

    // MARK: - Control groups

    private struct ControlGroup {
        let limit: Int?
        let usage: Int?
        let fileBytes: Int

        /// nil when it sets no limit.
        var available: Int? {
            guard let limit, let usage else { return nil }
            return limit - max(0, usage - fileBytes)
        }
    }

    /// The groups with a memory controller that hold this process, from its own up to where they are mounted.
    private var controlGroups: [ControlGroup] {
        let memberships = text("proc/self/cgroup")?.split(separator: "\n") ?? []
        return memberships.flatMap { line -> [ControlGroup] in
            // hierarchy:controllers:path, where version 2 has no controllers here.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            let isUnified = fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("memory") else { return [] }
            return mounts(isUnified: isUnified).flatMap { mount in
                groups(of: String(fields[2]), under: mount, isUnified: isUnified)
            }
        }
    }

    private struct Mount {
        /// The group that is mounted.
        let group: String
        /// Where.
        let place: String
    }

    private func mounts(isUnified: Bool) -> [Mount] {
        (text("proc/self/mountinfo")?.split(separator: "\n") ?? []).compactMap { line in
            // … group place options - type source options; see proc(5).
            let halves = line.components(separatedBy: " - ")
            let before = halves[0].split(separator: " ")
            let after = halves.count == 2 ? halves[1].split(separator: " ") : []
            guard before.count >= 5, after.count >= 3 else { return nil }
            let isWanted =
                isUnified
                ? after[0] == "cgroup2" : after[0] == "cgroup" && after[2].split(separator: ",").contains("memory")
            return isWanted ? Mount(group: String(before[3]), place: String(before[4])) : nil
        }
    }

    private func groups(of path: String, under mount: Mount, isUnified: Bool) -> [ControlGroup] {
        // In a container the group may be named from outside; then the mount is it.
        var parts = path.split(separator: "/")
        let mounted = mount.group.split(separator: "/")
        if parts.starts(with: mounted) { parts.removeFirst(mounted.count) } else { parts = [] }
        return (0...parts.count).map { count in
            let folder = ([mount.place] + parts.prefix(count).map(String.init)).joined(separator: "/")
            return isUnified ? unifiedGroup(folder) : legacyGroup(folder)
        }
    }

    private func unifiedGroup(_ folder: String) -> ControlGroup {
        // Above `memory.high` a process is slowed until it stands still: as much of a limit as `memory.max`.
        ControlGroup(
            limit: [number("\(folder)/memory.max"), number("\(folder)/memory.high")].compactMap(\.self).min(),
            usage: number("\(folder)/memory.current"),
            fileBytes: statistic(folder, ["active_file", "inactive_file"])
        )
    }

    private func legacyGroup(_ folder: String) -> ControlGroup {
        ControlGroup(
            limit: number("\(folder)/memory.limit_in_bytes"),
            usage: number("\(folder)/memory.usage_in_bytes"),
            fileBytes: statistic(folder, ["total_active_file", "total_inactive_file"])
        )
    }

    /// A file that holds one number; nil also for `max`.
    private func number(_ path: String) -> Int? {
        text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    private func statistic(_ folder: String, _ keys: Set<String>) -> Int {
        (text("\(folder)/memory.stat")?.split(separator: "\n") ?? []).reduce(0) { sum, line in
            let fields = line.split(separator: " ")
            guard fields.count == 2, keys.contains(String(fields[0])) else { return sum }
            return sum + (Int(fields[1]) ?? 0)
        }
    }
}
