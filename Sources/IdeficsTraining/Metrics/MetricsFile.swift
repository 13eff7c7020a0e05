// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsFoundation

/// `metrics.jsonl`: one object a line.
package final class MetricsFile: MetricsSink {
    /// All lines so far.
    package private(set) var lines: [StepMetrics] = []
    private let file: RecordFile

    /// Opens the file in `folder`; lines of steps after `step`, which a killed run left, are taken away.
    ///
    /// Lines that are kept stay as they are, byte for byte.
    ///
    /// - Throws: what reading and writing throw.
    package init(folder: URL, step: Int) throws {
        let url = folder.appending(path: "metrics.jsonl")
        let data = try Files.readIfPresent(url.path, limit: .max) ?? Data()
        var text = Data()
        for line in data.split(separator: UInt8(ascii: "\n")) {
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
        // Mostly they are the first ones: the others are cut off, which a full disk allows, too.
        if !data.starts(with: text) { try AtomicFile.write(text, to: url) }
        file = try RecordFile(url, keeping: text.count)
    }

    /// Adds a line.
    ///
    /// - Throws: `OutputError`; the line is then written with the next one that can be.
    package func add(_ metrics: StepMetrics) throws {
        lines.append(metrics)
        try file.append(Self.line(metrics).utf8)
    }

    /// Makes sure that the lines are on the disk, as those up to a checkpoint are to be when it is there.
    package func flush() throws {
        try file.flush()
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
