// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(Darwin)
import Darwin
#endif

/// The most memory this process had at once.
enum PeakMemory {
    /// Bytes that were resident, mapped files included; nil where the system does not say.
    static var byteCount: Int? {
        #if os(Linux)
        // Not getrusage: its figure is inherited from whoever started the program.
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kibibytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
        else { return nil }
        return kibibytes * 1024
        #elseif canImport(Darwin)
        var usage = rusage()
        return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : nil
        #else
        return nil
        #endif
    }
}
