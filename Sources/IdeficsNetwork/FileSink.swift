// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

/// Writes a body to a file, continuing at an offset if the server lets it.
final class FileSink: HTTPBodySink {
    private struct State {
        var position: Int64 = 0
        var total: Int64?
    }

    private let file: FileWriter
    private let offset: Int64
    private let progress: HTTPClient.ProgressHandler?
    private let state = Locked(State())

    /// A sink that writes to the file at `path` from `offset` on.
    init(path: String, resumeFrom offset: Int64, progress: HTTPClient.ProgressHandler?) throws {
        file = try wrapping { try FileWriter(path: path) }
        self.offset = offset
        self.progress = progress
        let size = try wrapping { [file] in try file.size() }
        guard offset >= 0, offset <= size else {
            throw NetworkError.file(path: path, operation: "resume at \(offset)", reason: "it has \(size) bytes")
        }
    }

    func begin(_ head: HTTPResponseHead) throws {
        let start = try head.bodyOffset(requested: offset)
        try wrapping { try file.truncate(to: start) }
        let (end, overflow) = start.addingReportingOverflow(head.contentLength ?? 0)
        state.withLock {
            $0.position = start
            $0.total = head.contentLength == nil || overflow ? nil : end
        }
        progress?(start, head.contentLength == nil || overflow ? nil : end)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        let (position, total) = try state.withLock {
            let position = $0.position
            try wrapping { try file.write(bytes, at: position) }
            $0.position += Int64(bytes.count)
            return ($0.position, $0.total)
        }
        progress?(position, total)
    }

    /// Makes the bytes durable.
    func finish() throws {
        try wrapping { try file.synchronize() }
    }
}

/// What `body` does with files, its errors as those of this module.
private func wrapping<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as FileError {
        throw NetworkError.file(path: error.path, operation: error.operation, reason: error.reason)
    }
}
