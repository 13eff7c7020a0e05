// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsFoundation

/// `metrics.jsonl`: one object a line.
package final class MetricsFile {
    /// All lines so far.
    package private(set) var lines: [StepMetrics] = []
    private let file: FileHandle

    /// Opens the file in `folder`; lines of steps after `step`, which a killed run left, are taken away.
    ///
    /// Lines that are kept stay as they are, byte for byte.
    ///
    /// - Throws: what reading and writing throw.
    package init(folder: URL, step: Int) throws {
        let url = folder.appending(path: "metrics.jsonl")
        var text = Data()
        if FileManager.default.fileExists(atPath: url.path) {
            for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
                // A killed run may have left half a line.
                let read = try? JSONReader.decode(
                    StepMetrics.self,
                    from: Data(line),
                    file: url.path,
                    allowsNonFinite: true
                )
                guard let read, read.step <= step else { continue }
                lines.append(read)
                text += line + [UInt8(ascii: "\n")]
            }
        }
        try AtomicFile.write(text, to: url)
        file = try FileHandle(forWritingTo: url)
        try file.seekToEnd()
    }

    deinit {
        try? file.close()
    }

    /// Adds a line.
    package func append(_ metrics: StepMetrics) throws {
        lines.append(metrics)
        try file.write(contentsOf: Data(Self.line(metrics).utf8))
    }

    /// Makes sure that the lines are on the disk, as those up to a checkpoint are to be when it is there.
    package func flush() throws {
        try file.synchronize()
    }

    private static func line(_ metrics: StepMetrics) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // A skipped step's loss need not be a number.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        return String(decoding: try encoder.encode(metrics), as: UTF8.self) + "\n"
    }
}
