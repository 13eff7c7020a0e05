// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

/// A file of examples, one JSON value a line; only where lines begin is kept in memory.
public struct ExampleFile: Sendable {
    /// The file.
    public let url: URL
    /// Lines that are no examples, with reasons; empty when bad lines are errors.
    public let badLines: [TrainingError]
    /// Bytes of the file.
    public var byteCount: Int { data.count }

    /// Tells it from other contents.
    let checksum: UInt32

    private let data: Data
    private let lines: [Line]

    private struct Line {
        let number: Int
        let bytes: Range<Int>
    }

    /// Opens the file at `path` and reads every line once.
    ///
    /// - Throws: `TrainingError.file` when it cannot be read or holds no example; `TrainingError.data` for the first bad
    ///   line, if those are errors.
    public init(path: String, badLines policy: DataConfig.BadLines = .fail) throws {
        url = URL(localPath: path)
        do {
            data = try Files.read(url)
        } catch {
            throw TrainingError.file(path: path, reason: "cannot be read: \(error.localizedDescription)")
        }
        var lines: [Line] = []
        var bad: [TrainingError] = []
        var start = data.startIndex
        var number = 0
        let folder = url.deletingLastPathComponent()
        while start < data.endIndex {
            let end = data[start...].firstIndex(of: UInt8(ascii: "\n")) ?? data.endIndex
            number += 1
            let bytes = start..<end
            start = end + 1
            if data[bytes].allSatisfy({ [9, 13, 32].contains($0) }) { continue }
            do {
                _ = try TrainingExample(json: Data(data[bytes]), folder: folder)
                lines.append(Line(number: number, bytes: bytes))
            } catch let problem as ExampleProblem {
                let error = TrainingError.data(file: path, line: number, reason: problem.reason)
                if policy == .fail { throw error }
                bad.append(error)
            }
        }
        guard !lines.isEmpty else { throw TrainingError.file(path: path, reason: "holds no example") }
        self.lines = lines
        checksum = data.withUnsafeBytes { CRC32C.checksum($0) }
        badLines = bad
    }

    /// Number of examples.
    public var count: Int { lines.count }

    /// The line of the example `index`, counted from 1.
    public func line(_ index: Int) -> Int { lines[index].number }

    /// The example `index`.
    public func example(_ index: Int) throws -> TrainingExample {
        do {
            return try TrainingExample(
                json: Data(data[lines[index].bytes]),
                folder: url.deletingLastPathComponent()
            )
        } catch let problem as ExampleProblem {
            throw error(index, problem.reason)
        }
    }

    /// What is wrong with the example `index`.
    func error(_ index: Int, _ reason: String) -> TrainingError {
        .data(file: url.relativePath, line: lines[index].number, reason: reason)
    }
}
