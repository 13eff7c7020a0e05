// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Results that could not be written.
package struct OutputError: Error, Equatable, CustomStringConvertible {
    /// What cannot be written.
    package let name: String
    /// The system's number for the reason.
    package let code: Int32

    /// Whether nobody reads any more (`idefics … | head -1`), which needs no message.
    package var isClosedPipe: Bool { code == EPIPE }

    /// For people: what and why.
    package var description: String { "cannot write \(printable(name)): \(String(cString: strerror(code)))" }
}
