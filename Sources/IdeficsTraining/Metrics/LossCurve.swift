// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The loss over the steps as an image: `loss.svg`.
package enum LossCurve {
    private static let width = 800.0
    private static let height = 400.0
    private static let margin = (left: 60.0, right: 20.0, top: 40.0, bottom: 48.0)
    private static let colors = (loss: "#047", eachStep: "#8ab", evaluation: "#c40")

    /// The image of `lines`; without numbers, an empty one.
    package static func svg(_ lines: [StepMetrics], title: String) -> String {
        let loss = lines.map { (Double($0.step), $0.loss) }.filter(isDrawn)
        let eval = lines.compactMap { line in line.evalLoss.map { (Double(line.step), $0) } }.filter(isDrawn)
        let values = (loss + eval).map(\.1)
        let last = max((loss + eval).map(\.0).max() ?? 1, 1)
        let ticks = ticks(values.min() ?? 0, values.max() ?? 1)
        let (low, high) = (ticks.first ?? 0, ticks.last ?? 1)
        func x(_ step: Double) -> Double {
            margin.left + step / last * (width - margin.left - margin.right)
        }
        func y(_ value: Double) -> Double {
            margin.top + (high - value) / (high - low) * (height - margin.top - margin.bottom)
        }
        func line(_ points: [(Double, Double)], _ color: String, width: Double, opacity: Double = 1) -> String {
            guard !points.isEmpty else { return "" }
            let path = thinned(points).map { "\(number(x($0.0))),\(number(y($0.1)))" }.joined(separator: " ")
            return "<polyline fill=\"none\" stroke=\"\(color)\" stroke-width=\"\(width)\" "
                + "stroke-opacity=\"\(opacity)\" points=\"\(path)\"/>\n"
        }
        var svg = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) \(Int(height))" font-family="sans-serif" \
            font-size="12">
            <rect width="100%" height="100%" fill="white"/>

            """
        svg += text(escaped(title), margin.left, 22, size: 14)
        let step = ticks.count > 1 ? ticks[1] - ticks[0] : 1
        let digits = max(0, Int((-log10(step)).rounded(.up)))
        for tick in ticks {
            let at = number(y(tick))
            svg += "<line x1=\"\(margin.left)\" x2=\"\(width - margin.right)\" y1=\"\(at)\" y2=\"\(at)\" "
            svg += "stroke=\"#ddd\"/>\n"
            svg += text(number(tick, digits: digits), margin.left - 6, y(tick) + 4, anchor: "end")
        }
        for tick in self.ticks(0, last) where tick <= last && tick.rounded() == tick {
            svg += text("\(Int(tick))", x(tick), height - 28, anchor: "middle")
        }
        svg += text("step", (margin.left + width - margin.right) / 2, height - 8, anchor: "middle")
        svg += line(loss, colors.eachStep, width: 1, opacity: 0.6)
        svg += line(smoothed(loss), colors.loss, width: 2)
        svg += line(eval, colors.evaluation, width: 2)
        if eval.count <= 50 {
            for (step, value) in eval {
                svg += "<circle cx=\"\(number(x(step)))\" cy=\"\(number(y(value)))\" r=\"3\" "
                svg += "fill=\"\(colors.evaluation)\"/>\n"
            }
        }
        let right = width - margin.right
        if !eval.isEmpty { svg += text("evaluation", right, 22, anchor: "end", color: colors.evaluation) }
        svg += text("loss, nats a token", eval.isEmpty ? right : right - 80, 22, anchor: "end", color: colors.loss)
        return svg + "</svg>\n"
    }

    /// Whether a point is a number of a size that can be drawn: the lines come from a file.
    private static func isDrawn(_ point: (step: Double, value: Double)) -> Bool {
        0...1e15 ~= point.step && abs(point.value) < 1e30
    }

    /// Round numbers around `low` and `high`, evenly spaced.
    private static func ticks(_ low: Double, _ high: Double) -> [Double] {
        let span = max(high - low, abs(high) * 1e-3, 1e-6)
        let power = pow(10, floor(log10(span / 4)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { span / $0 <= 5 } ?? span
        let (first, last) = (floor(low / step), ceil(high / step))
        return stride(from: first, through: max(last, first + 1), by: 1).map { $0 * step }
    }

    private static func text(
        _ text: String,
        _ x: Double,
        _ y: Double,
        size: Int = 12,
        anchor: String = "start",
        color: String = "black"
    ) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"\(size)\" text-anchor=\"\(anchor)\" fill=\"\(color)\">"
            + "\(text)</text>\n"
    }

    /// A running mean over about a fortieth of the points.
    private static func smoothed(_ points: [(Double, Double)]) -> [(Double, Double)] {
        let factor = 1 / max(1, Double(points.count) / 40)
        var mean = points.first?.1 ?? 0
        return points.map { step, value in
            mean += (value - mean) * factor
            return (step, mean)
        }
    }

    /// No more points than the image has columns.
    private static func thinned(_ points: [(Double, Double)]) -> [(Double, Double)] {
        let stride = max(1, points.count / Int(width))
        return points.enumerated().filter { $0.offset % stride == 0 || $0.offset == points.count - 1 }.map(\.element)
    }

    private static func number(_ value: Double, digits: Int = 1) -> String {
        String(format: "%.\(digits)f", value)
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
