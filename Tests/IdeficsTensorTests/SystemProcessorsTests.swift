// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct SystemProcessorsTests {
    private let folder: TemporaryFolder
    private var granted: Int? { SystemProcessors(root: folder.url).grantedCount }

    init() throws {
        folder = try TemporaryFolder()
    }

    private func write(_ path: String, _ text: String) throws {
        let url = folder.url.appending(path: path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: url)
    }

    /// Version 2: the narrowest of a group and its parents counts.
    @Test func unifiedGroups() throws {
        #expect(granted == nil)
        try write("proc/self/cgroup", "0::/a/b\n")
        try write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
        try write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n")
        #expect(granted == nil)
        try write("sys/fs/cgroup/a/cpu.max", "400000 100000\n")
        #expect(granted == 4)
        try write("sys/fs/cgroup/a/b/cpu.max", "150000 50000\n")
        #expect(granted == 3)
    }

    /// A part of a processor is none, but the first.
    @Test(arguments: [("765000 100000", 7), ("199999 100000", 1), ("50000 100000", 1), ("1000 1000000", 1)])
    func partsAreRoundedDown(limit: String, count: Int) throws {
        try write("proc/self/cgroup", "0::/docker/1234\n")
        try write("proc/self/mountinfo", "30 23 0:26 /docker/1234 /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
        try write("sys/fs/cgroup/cpu.max", limit)
        #expect(granted == count)
    }

    /// Version 1: only the hierarchy of the controller, whatever else is mounted with it.
    @Test func legacyGroups() throws {
        try write("proc/self/cgroup", "5:memory:/other\n4:cpu,cpuacct:/x/y\n0::/\n")
        try write(
            "proc/self/mountinfo",
            """
            33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
            35 31 0:32 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset

            """
        )
        try write("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n")
        try write("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n")
        #expect(granted == nil)
        try write("sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us", "250000\n")
        try write("sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us", "100000\n")
        #expect(granted == 2)
    }

    /// What no system writes grants nothing and breaks nothing.
    @Test(arguments: ["", "0 100000", "100000 0", "-5 100000", "100000", "max", "x y", "99999999999999999999 1"])
    func nonsenseSetsNoLimit(limit: String) throws {
        try write("proc/self/cgroup", "0::/\n")
        try write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        try write("sys/fs/cgroup/cpu.max", limit)
        #expect(granted == nil)
    }

    @Test func theEngineTakesNoMoreThanIsGranted() {
        #expect(Engine.defaultThreadCount >= 1)
        if let here = SystemProcessors().grantedCount { #expect(Engine.defaultThreadCount <= here) }
    }
}
