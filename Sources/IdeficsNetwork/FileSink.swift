// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

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
        file = try FileWriter(path: path)
        self.offset = offset
        self.progress = progress
        let size = try file.size()
        guard offset >= 0, offset <= size else {
            throw NetworkError.file(path: path, operation: "resume at \(offset)", reason: "it has \(size) bytes")
        }
    }

    func begin(_ head: HTTPResponseHead) throws {
        let start = try head.bodyOffset(requested: offset)
        try file.truncate(to: start)
        let (end, overflow) = start.addingReportingOverflow(head.contentLength ?? 0)
        state.withLock {
            $0.position = start
            $0.total = head.contentLength == nil || overflow ? nil : end
        }
        progress?(start, head.contentLength == nil || overflow ? nil : end)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        let (position, total) = try state.withLock {
            try file.write(bytes, at: $0.position)
            $0.position += Int64(bytes.count)
            return ($0.position, $0.total)
        }
        progress?(position, total)
    }

    /// Makes the bytes durable.
    func finish() throws {
        try file.synchronize()
    }
}
