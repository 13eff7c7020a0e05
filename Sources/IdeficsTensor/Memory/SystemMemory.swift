// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// How much memory this process can get from the system, as the system's files tell it.
///
/// The least of what the machine has (`MemAvailable`) and what every control group leaves that the process is in,
/// version 1 or 2, parents included. Pages of files count as free: they can be read again. `ulimit` plays no part here:
/// on Linux `-m` does nothing, `-d` does not count mapped files, and `-v` lets a map be made or not.
public struct SystemMemory: Sendable {
    private let system: ControlGroups

    /// The memory of this system.
    public init() {
        system = ControlGroups()
    }

    /// The memory that `proc` and `sys` in the folder `root` tell of, for tests.
    package init(root: URL) {
        system = ControlGroups(root: root)
    }

    /// Bytes that this process may take beyond what it and others hold, files' pages aside.
    public var availableByteCount: Int {
        let machine = meminfo("MemAvailable") ?? Int(clamping: ProcessInfo.processInfo.physicalMemory) / 2
        return max(0, min(machine, limits.compactMap(\.available).min() ?? machine))
    }

    /// Bytes this process holds in memory that no file could give back.
    public var anonymousByteCount: Int {
        kilobytes("proc/self/status", key: "RssAnon") ?? 0
    }

    /// The most bytes this process held in memory at once, mapped files included; nil where the system does not say.
    public var peakByteCount: Int? {
        kilobytes("proc/self/status", key: "VmHWM")
    }

    private func meminfo(_ key: String) -> Int? { kilobytes("proc/meminfo", key: key) }

    private func kilobytes(_ path: String, key: String) -> Int? {
        let line = system.text(path)?.split(separator: "\n").first { $0.hasPrefix("\(key):") }
        // A tab stands before the number, and no space more where it has eight digits.
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }

    // MARK: - Control groups

    private struct Limit {
        let limit: Int?
        let usage: Int?
        let fileBytes: Int

        /// nil when it sets no limit.
        var available: Int? {
            guard let limit, let usage else { return nil }
            return limit - max(0, usage - fileBytes)
        }
    }

    private var limits: [Limit] {
        system.groups(of: "memory").map { $0.isUnified ? unifiedLimit($0.folder) : legacyLimit($0.folder) }
    }

    private func unifiedLimit(_ folder: String) -> Limit {
        // Above `memory.high` a process is slowed until it stands still: as much of a limit as `memory.max`.
        Limit(
            limit: [system.number("\(folder)/memory.max"), system.number("\(folder)/memory.high")]
                .compactMap(\.self).min(),
            usage: system.number("\(folder)/memory.current"),
            fileBytes: statistic(folder, ["active_file", "inactive_file"])
        )
    }

    private func legacyLimit(_ folder: String) -> Limit {
        Limit(
            limit: system.number("\(folder)/memory.limit_in_bytes"),
            usage: system.number("\(folder)/memory.usage_in_bytes"),
            fileBytes: statistic(folder, ["total_active_file", "total_inactive_file"])
        )
    }

    private func statistic(_ folder: String, _ keys: Set<String>) -> Int {
        (system.text("\(folder)/memory.stat")?.split(separator: "\n") ?? []).reduce(0) { sum, line in
            let fields = line.split(separator: " ")
            guard fields.count == 2, keys.contains(String(fields[0])) else { return sum }
            return sum + (Int(fields[1]) ?? 0)
        }
    }
}
