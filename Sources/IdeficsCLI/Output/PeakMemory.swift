// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

#if canImport(Darwin)
import Darwin
#endif

/// The most memory this process had at once.
enum PeakMemory {
    /// Bytes that were resident, mapped files included; nil where the system does not say.
    static var byteCount: Int? {
        #if os(Linux)
        // Not getrusage: its figure is inherited from whoever started the program.
        return SystemMemory().peakByteCount
        #elseif canImport(Darwin)
        var usage = rusage()
        return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : nil
        #else
        return nil
        #endif
    }
}
