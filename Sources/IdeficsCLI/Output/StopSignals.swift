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

/// Turns SIGTERM, SIGINT and SIGHUP into a wish to stop; the second SIGINT ends the process as it always does.
///
/// SIGHUP says that the terminal is gone. Where it is ignored (`nohup`), it stays so.
final class StopSignals {
    private var sources: [any DispatchSourceSignal] = []

    /// Listens from now on.
    init(_ stop: StopRequest) {
        for number in [SIGTERM, SIGINT, SIGHUP] {
            let isIgnored = unsafeBitCast(signal(number, SIG_IGN), to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
            if number == SIGHUP, isIgnored { continue }
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
