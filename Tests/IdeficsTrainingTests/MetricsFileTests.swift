// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTraining
import Testing

@Suite struct MetricsFileTests {
    private static func line(_ step: Int, loss: String = "1.25", gradNorm: String = "2") -> String {
        #"{"epoch":0.5,"gradNorm":\#(gradNorm),"images":1,"learningRate":0.01,"loss":\#(loss),"modelFlopsUtilization":0.5,"#
            + #""paddingShare":0,"seconds":1,"skippedSteps":0,"step":\#(step),"tokens":3,"tokensPerSecond":9,"zLoss":0}"#
    }

    /// Lines of steps that were left out, for their numbers were none, stay; half a line and later steps go.
    @Test func linesAreKeptAsTheyAre() throws {
        let folder = try TemporaryFolder()
        let kept = [
            Self.line(1), Self.line(2, loss: "\"nan\"", gradNorm: "\"inf\""), Self.line(3, loss: "\"-inf\"") + " ",
        ]
        let torn = String(Self.line(4).dropLast(9))
        try folder.write(Array((kept + [Self.line(9), torn]).joined(separator: "\n").utf8), "metrics.jsonl")
        let file = try MetricsFile(folder: folder.url, step: 4)
        #expect(file.lines.map(\.step) == [1, 2, 3])
        #expect(file.lines[1].loss.isNaN && file.lines[1].gradNorm == .infinity && file.lines[2].loss == -.infinity)
        let text = try String(contentsOf: folder.url.appending(path: "metrics.jsonl"), encoding: .utf8)
        #expect(text == kept.map { "\($0)\n" }.joined())
    }

    /// Points that no curve can show are left out of it.
    @Test func curvesTakeAnyNumbers() throws {
        let folder = try TemporaryFolder()
        let lines = [
            Self.line(1, loss: "1e308"), Self.line(2, loss: "-1e308"), Self.line(Int.max), Self.line(-5), Self.line(4),
            Self.line(5, loss: "\"nan\""),
        ]
        try folder.write(Array(lines.joined(separator: "\n").utf8), "metrics.jsonl")
        let file = try MetricsFile(folder: folder.url, step: .max)
        #expect(file.lines.count == 6)
        #expect(LossCurve.svg(file.lines, title: "x").hasSuffix("</svg>\n"))
    }
}
