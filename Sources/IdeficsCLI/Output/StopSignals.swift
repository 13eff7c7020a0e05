// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import IdeficsTraining

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Turns SIGTERM and SIGINT into a wish to stop; the second SIGINT ends the process as it always does.
final class StopSignals {
    private var sources: [any DispatchSourceSignal] = []

    /// Listens from now on.
    init(_ stop: StopRequest) {
        // A file that would grow over its limit is to be a failed write, not the end of the process.
        signal(SIGXFSZ, SIG_IGN)
        for number in [SIGTERM, SIGINT] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                stop.stop()
                signal(number, number == SIGINT ? SIG_DFL : SIG_IGN)
            }
            source.resume()
            sources.append(source)
        }
    }
}
