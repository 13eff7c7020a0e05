// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Standard output and error: all that the program writes to them passes here.
///
/// Results go to standard output, and one that cannot be written is an error. Messages go to standard error, and one that
/// cannot be written (the log is on a full disk, the terminal is gone) is dropped: it is not worth the work it tells of.
package enum StandardStreams {
    /// Whether standard input is a terminal.
    package static let isInputTerminal = isatty(STDIN_FILENO) == 1
    /// Whether standard output is a terminal.
    package static let isOutputTerminal = isatty(STDOUT_FILENO) == 1
    /// Whether standard error is a terminal.
    package static let isErrorTerminal = isatty(STDERR_FILENO) == 1

    private static let isOutputClosed = Locked(false)

    /// Makes failed writes errors instead of the end of the process, and closed streams empty ones; at the start of a
    /// program, before it opens anything.
    package static func prepare() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
            // Else the next file that is opened would get this number, and results or messages would be written into it.
            let null = open("/dev/null", O_RDWR)
            if null >= 0, null != descriptor {
                dup2(null, descriptor)
                close(null)
            }
            if descriptor == STDOUT_FILENO { isOutputClosed.withLock { $0 = true } }
        }
        // A pipe nobody reads, a file that would grow over its limit. Handlers and not SIG_IGN, which the programs that this
        // one starts would inherit.
        for number in [SIGPIPE, SIGXFSZ] { signal(number) { _ in } }
    }

    /// Writes results: text, of which a terminal gets no control characters but line ends and tabs.
    ///
    /// - Parameter text: what to write.
    /// - Throws: `OutputError`.
    package static func writeResult(_ text: String) throws {
        try writeResult(bytes: Array((isOutputTerminal ? withoutControls(text) : text).utf8))
    }

    /// Writes a path and a line end; its bytes as they are, except to a terminal.
    ///
    /// - Parameter path: what to write, as `PathBytes` has it.
    /// - Throws: `OutputError`.
    package static func writeResult(path: String) throws {
        guard !isOutputTerminal else { return try writeResult(path + "\n") }
        try writeResult(bytes: PathBytes.bytes(of: path) + [UInt8(ascii: "\n")])
    }

    /// Writes a message to standard error, without control characters but line ends and tabs.
    ///
    /// - Parameters:
    ///   - text: what to write.
    ///   - control: what is to steer the terminal, before the text.
    package static func writeMessage(_ text: String, after control: String = "") {
        _ = writeAll((control + withoutControls(text)).utf8, to: STDERR_FILENO)
    }

    /// Makes sure that results are where they were written to: some network file systems tell a full disk only on closing.
    ///
    /// - Throws: `OutputError`.
    package static func finishResults() throws {
        guard !isOutputClosed.withLock({ $0 }) else { return }
        let copy = dup(STDOUT_FILENO)
        guard copy < 0 || close(copy) == 0 || errno == EINTR else { throw failure(errno) }
    }

    private static func writeResult(bytes: [UInt8]) throws {
        let code = isOutputClosed.withLock { $0 } ? EBADF : writeAll(bytes, to: STDOUT_FILENO)
        guard code == 0 else { throw failure(code) }
    }

    private static func failure(_ code: Int32) -> OutputError { OutputError(name: "standard output", code: code) }
}
