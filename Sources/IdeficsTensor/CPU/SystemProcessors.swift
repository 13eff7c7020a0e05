// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// How much time of processors this process may use, as the system's files tell it.
package struct SystemProcessors: Sendable {
    private let system: ControlGroups

    /// The processors of this system.
    package init() {
        system = ControlGroups()
    }

    /// The processors that `proc` and `sys` in the folder `root` tell of, for tests.
    package init(root: URL) {
        system = ControlGroups(root: root)
    }

    /// Processors whose time the control groups grant, the narrowest of them; nil where none sets a limit.
    ///
    /// What `docker run --cpus` and the CPU limits of Kubernetes set. All cores stay in sight there, but a group that has
    /// used its time up stands still until the next period; threads that wait for each other then all wait for the one
    /// that ran last. So parts of a processor are rounded down: 7.65 are 7 threads, and less than one is one.
    package var grantedCount: Int? {
        system.groups(of: "cpu").compactMap { group -> Int? in
            guard let (time, period) = group.isUnified ? unifiedGrant(group.folder) : legacyGrant(group.folder),
                time > 0, period > 0
            else { return nil }
            return max(1, time / period)
        }.min()
    }

    /// Microseconds of computing in each period: `400000 100000`, or `max 100000` where all may be used.
    private func unifiedGrant(_ folder: String) -> (time: Int, period: Int)? {
        let fields = system.text("\(folder)/cpu.max")?.split(whereSeparator: \.isWhitespace).map { Int($0) } ?? []
        guard fields.count == 2, let time = fields[0], let period = fields[1] else { return nil }
        return (time, period)
    }

    private func legacyGrant(_ folder: String) -> (time: Int, period: Int)? {
        // -1 where there is no limit.
        guard let time = system.number("\(folder)/cpu.cfs_quota_us"),
            let period = system.number("\(folder)/cpu.cfs_period_us")
        else { return nil }
        return (time, period)
    }
}
