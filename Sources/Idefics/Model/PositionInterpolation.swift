// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor

/// Resizes a position embedding to a grid of `rows` × `columns` patches; the class position stays as it is.
///
/// torch's bicubic interpolation without antialiasing (a = −0.75, align_corners false). IDEFICS of transformers passes
/// scale factors `(size + 0.1) / grid`, whose reciprocal is the sampling ratio (docs/model-spec.md §3.2); DINOv2 passes sizes.
///
/// - Parameters:
///   - table: `[1 + grid², width]` in f32.
///   - rows: patches down.
///   - columns: patches across.
///   - isSquareImage: whether the image is as high as wide; then a table of the right size is used unchanged.
///   - scaleMargin: what is added to sizes before they become scale factors.
/// - Returns: `[1 + rows · columns, width]`.
func interpolatePositions(
    _ table: Tensor,
    rows: Int,
    columns: Int,
    isSquareImage: Bool,
    scaleMargin: Double = 0.1
) -> Tensor {
    let gridPositions = table.shape[0] - 1
    if rows * columns == gridPositions, isSquareImage { return table }
    let width = table.shape[1]
    let grid = Int(Double(gridPositions).squareRoot())
    let vertical = cubicTaps(count: rows, grid: grid, scaleMargin: scaleMargin)
    let horizontal = cubicTaps(count: columns, grid: grid, scaleMargin: scaleMargin)
    var resized = [Float](repeating: 0, count: (1 + rows * columns) * width)
    table.toHost().withFloats { source in
        resized.replaceSubrange(0..<width, with: source[0..<width])
        for (row, down) in vertical.enumerated() {
            for (column, across) in horizontal.enumerated() {
                let target = (1 + row * columns + column) * width
                for (sourceRow, rowWeight) in down {
                    for (sourceColumn, columnWeight) in across {
                        let weight = rowWeight * columnWeight
                        let offset = (1 + sourceRow * grid + sourceColumn) * width
                        for i in 0..<width { resized[target + i] += weight * source[offset + i] }
                    }
                }
            }
        }
    }
    return Tensor(resized, shape: [1 + rows * columns, width]).to(table.device)
}

/// For each output index the four grid indices (clamped to the border) and their weights.
private func cubicTaps(count: Int, grid: Int, scaleMargin: Double) -> [[(index: Int, weight: Float)]] {
    let a: Float = -0.75
    func near(_ x: Float) -> Float { ((a + 2) * x - (a + 3)) * x * x + 1 }  // |x| <= 1
    func far(_ x: Float) -> Float { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }  // 1 < |x| < 2
    let ratio = Float(1 / ((Double(count) + scaleMargin) / Double(grid)))
    return (0..<count).map { output in
        let position = ratio * (Float(output) + 0.5) - 0.5
        let lower = position.rounded(.down)
        let t = position - lower
        let weights = [far(t + 1), near(t), near(1 - t), far(2 - t)]
        return weights.enumerated().map { offset, weight in
            (min(max(Int(lower) - 1 + offset, 0), grid - 1), weight)
        }
    }
}
