// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
public import IdeficsTensor

/// One thing that every device must compute, and what it is in plain loops over doubles.
///
/// A device conforms when `worstError(on:)` of all of `ConformanceCase.all` is at most the case's `tolerance`:
///
/// ```swift
/// @Test(arguments: ConformanceCase.all)
/// func conforms(item: ConformanceCase) { #expect(item.worstError(on: device) <= item.tolerance) }
/// ```
public struct ConformanceCase: Sendable, CustomStringConvertible {
    /// What is computed.
    public let name: String
    /// The largest error allowed, of `|found − expected| / max(1, |expected|)`.
    public let tolerance: Double

    private let body: @Sendable (Device) -> [Comparison]

    /// What a device found and what is right.
    package struct Comparison {
        let found: Tensor
        let expected: [Double]

        /// A tensor of the device, and what its elements must be.
        package init(_ found: Tensor, _ expected: [Double]) { (self.found, self.expected) = (found, expected) }
    }

    /// A case of what `body` finds on a device.
    package init(_ name: String, tolerance: Double = 1e-5, _ body: @escaping @Sendable (Device) -> [Comparison]) {
        (self.name, self.tolerance, self.body) = (name, tolerance, body)
    }

    /// The name.
    public var description: String { name }

    /// Every case.
    public static let all = products + attentions + rows + pages + training + quantization + gradients

    /// Runs the case on `device`.
    ///
    /// - Parameter device: what computes; its results must lie in its own memory.
    /// - Returns: the largest error; infinity for a result of another size, in another place, or that is no number where
    ///   one is expected.
    public func worstError(on device: Device) -> Double {
        body(device).reduce(0) { worst, item in
            guard item.found.device === device, item.found.count == item.expected.count else { return .infinity }
            return zip(item.found.toHost().floatArray(), item.expected).reduce(worst) { worst, pair in
                let error = abs(Double(pair.0) - pair.1) / max(1, abs(pair.1))
                return error.isNaN ? .infinity : max(worst, error)
            }
        }
    }
}

/// A matrix of doubles for reference loops.
struct Matrix {
    let rows: Int
    let columns: Int
    var values: [Double]

    init(_ rows: Int, _ columns: Int, _ values: [Double]) {
        precondition(values.count == rows * columns, "Matrix: \(values.count) values for \(rows) × \(columns)")
        (self.rows, self.columns, self.values) = (rows, columns, values)
    }

    /// Elements by row and column.
    init(_ rows: Int, _ columns: Int, _ element: (_ row: Int, _ column: Int) -> Double) {
        self.init(rows, columns, (0..<rows * columns).map { element($0 / columns, $0 % columns) })
    }

    /// The elements of a tensor in main memory; its leading axes are rows.
    init(_ tensor: Tensor) {
        let columns = tensor.shape.last ?? 1
        self.init(tensor.count / max(columns, 1), columns, tensor.floatArray().map(Double.init))
    }

    subscript(row: Int, column: Int) -> Double {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    var transposed: Matrix { Matrix(columns, rows) { self[$1, $0] } }

    static func * (a: Matrix, b: Matrix) -> Matrix {
        precondition(a.columns == b.rows, "Matrix: \(a.columns) columns times \(b.rows) rows")
        return Matrix(a.rows, b.columns) { row, column in
            (0..<a.columns).reduce(0.0) { $0 + a[row, $1] * b[$1, column] }
        }
    }
}

/// Numbers that are the same in every run.
struct TestNumbers {
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// The next number of −1...1, at least `margin` from 0.
    mutating func next(margin: Float = 0) -> Float {
        let value = Float(Int32(truncatingIfNeeded: random.next() >> 32)) / 2_147_483_648
        return value < 0 ? value * (1 - margin) - margin : value * (1 - margin) + margin
    }

    /// A tensor of main memory.
    mutating func tensor(_ shape: Int..., margin: Float = 0) -> Tensor { tensor(shape, margin: margin) }

    /// A tensor of main memory.
    mutating func tensor(_ shape: [Int], margin: Float = 0) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { _ in next(margin: margin) }, shape: shape)
    }
}
