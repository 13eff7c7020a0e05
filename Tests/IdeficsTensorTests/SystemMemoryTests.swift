// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct SystemMemoryTests {
    private let folder: TemporaryFolder
    private var memory: SystemMemory { SystemMemory(root: folder.url) }

    init() throws {
        folder = try TemporaryFolder()
        try write("proc/meminfo", "MemTotal:       100 kB\nMemAvailable:    1000 kB\nSwapFree: 7 kB\n")
    }

    private func write(_ path: String, _ text: String) throws {
        let url = folder.url.appending(path: path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: url)
    }

    @Test func theMachineHasWhatItSays() throws {
        #expect(memory.availableByteCount == 1_024_000)
        try write("proc/self/status", "Name:\tx\nRssAnon:\t     12 kB\n")
        #expect(memory.anonymousByteCount == 12_288)
        // With eight digits nothing but the tab is left between name and number.
        try write("proc/self/status", "Name:\tx\nVmHWM:\t12345678 kB\nRssAnon:\t 1234567 kB\n")
        #expect(memory.peakByteCount == 12_345_678 * 1024 && memory.anonymousByteCount == 1_234_567 * 1024)
    }

    /// Version 2: of a group and its parents the narrowest counts, and pages of files are free.
    @Test func unifiedGroups() throws {
        try write("proc/self/cgroup", "0::/a/b\n")
        try write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
        try write("sys/fs/cgroup/a/b/memory.max", "max\n")
        try write("sys/fs/cgroup/a/b/memory.current", "999999\n")
        try write("sys/fs/cgroup/a/memory.max", "500000\n")
        try write("sys/fs/cgroup/a/memory.current", "300000\n")
        try write("sys/fs/cgroup/a/memory.stat", "anon 5\nactive_file 100000\ninactive_file 150000\n")
        #expect(memory.availableByteCount == 450_000)
        try write("sys/fs/cgroup/a/b/memory.high", "1000000\n")
        try write("sys/fs/cgroup/a/b/memory.max", "2000000\n")
        #expect(memory.availableByteCount == 1)
        // A group that holds more than it may leaves nothing.
        try write("sys/fs/cgroup/a/b/memory.current", "3000000\n")
        #expect(memory.availableByteCount == 0)
    }

    /// Version 1: only the hierarchy of the memory controller; one without a limit says a number near 2⁶³.
    @Test func legacyGroups() throws {
        try write("proc/self/cgroup", "5:devices:/other\n4:memory:/x/y\n0::/\n")
        try write(
            "proc/self/mountinfo",
            """
            33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory

            """
        )
        try write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n")
        try write("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "70000\n")
        #expect(memory.availableByteCount == 1_024_000)
        try write("sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "100000\n")
        try write("sys/fs/cgroup/memory/x/y/memory.usage_in_bytes", "70000\n")
        try write("sys/fs/cgroup/memory/x/y/memory.stat", "total_inactive_file 20000\ntotal_active_file 1000\n")
        #expect(memory.availableByteCount == 51_000)
    }

    /// In a container the group's name may be one of outside; what is mounted is the group.
    @Test func groupsOfContainers() throws {
        try write("proc/self/cgroup", "0::/docker/1234\n")
        try write("proc/self/mountinfo", "30 23 0:26 /docker/1234 /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
        try write("sys/fs/cgroup/memory.max", "600000\n")
        try write("sys/fs/cgroup/memory.current", "100000\n")
        #expect(memory.availableByteCount == 500_000)
        try write("proc/self/cgroup", "0::/../elsewhere\n")
        #expect(memory.availableByteCount == 500_000)
    }

    /// This machine tells something sensible.
    @Test func thisMachine() {
        let here = SystemMemory()
        #expect(here.availableByteCount > 1 << 20)
        #expect(here.availableByteCount <= Int(ProcessInfo.processInfo.physicalMemory))
        #if os(Linux)
        #expect(here.anonymousByteCount > 1 << 16)
        #endif
    }
}
