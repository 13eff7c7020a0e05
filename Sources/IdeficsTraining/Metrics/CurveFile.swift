// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// `loss.svg`: the curve of the lines of `metrics.jsonl`, at each checkpoint and at the end.
struct CurveFile: MetricsSink {
    private let url: URL
    private let title: String
    private let metrics: MetricsFile

    /// The curve of `metrics`, which gets the lines first.
    init(folder: URL, title: String, of metrics: MetricsFile) {
        url = folder.appending(path: "loss.svg")
        self.title = title
        self.metrics = metrics
    }

    func add(_ line: StepMetrics) throws {}

    func flush() throws {
        try AtomicFile.write(Data(LossCurve.svg(metrics.lines, title: title).utf8), to: url)
    }

    func finish() throws { try flush() }
}
