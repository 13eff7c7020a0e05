// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The loss over the steps as a picture: `loss.svg`.
package enum LossCurve {
    private static let width = 800.0
    private static let height = 400.0
    private static let margin = (left: 60.0, right: 20.0, top: 40.0, bottom: 40.0)

    /// The picture of `lines`; without numbers, an empty one.
    package static func svg(_ lines: [StepMetrics], title: String) -> String {
        let loss = lines.map { (Double($0.step), $0.loss) }.filter { $0.1.isFinite }
        let eval = lines.compactMap { line in line.evalLoss.map { (Double(line.step), $0) } }.filter { $0.1.isFinite }
        let values = (loss + eval).map(\.1)
        let last = max((loss + eval).map(\.0).max() ?? 1, 2)
        let (low, high) = (values.min() ?? 0, values.max() ?? 1)
        let span = high > low ? high - low : 1
        func x(_ step: Double) -> Double {
            margin.left + (step - 1) / (last - 1) * (width - margin.left - margin.right)
        }
        func y(_ value: Double) -> Double {
            margin.top + (high - value) / span * (height - margin.top - margin.bottom)
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
            <text x="\(Int(margin.left))" y="22" font-size="14">\(escaped(title))</text>

            """
        for tick in 0...4 {
            let value = low + span * Double(tick) / 4
            let at = number(y(value))
            svg += "<line x1=\"\(margin.left)\" x2=\"\(width - margin.right)\" y1=\"\(at)\" y2=\"\(at)\" "
            svg += "stroke=\"#ddd\"/>\n<text x=\"\(margin.left - 6)\" y=\"\(at)\" text-anchor=\"end\" "
            svg += "dominant-baseline=\"middle\">\(number(value, digits: 3))</text>\n"
            let step = 1 + (last - 1) * Double(tick) / 4
            svg += "<text x=\"\(number(x(step)))\" y=\"\(height - 16)\" text-anchor=\"middle\">\(Int(step))</text>\n"
        }
        svg += line(loss, "#8ab", width: 1, opacity: 0.6)
        svg += line(smoothed(loss), "#047", width: 2)
        svg += line(eval, "#c40", width: 2)
        svg += "<text x=\"\(width - margin.right)\" y=\"22\" text-anchor=\"end\"><tspan fill=\"#047\">loss</tspan>"
        svg += eval.isEmpty ? "" : " <tspan fill=\"#c40\">evaluation</tspan>"
        return svg + "</text>\n</svg>\n"
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

    /// No more points than the picture has columns.
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
