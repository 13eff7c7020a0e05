// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Reductions over one row of scores (one score for each token of the vocabulary).
///
/// NaN counts as "not there" throughout, so a damaged row never wins and never traps.
package enum ScoreRow {
    /// The largest score, −∞ for a row without any.
    package static func maximum(_ row: UnsafeBufferPointer<Float>) -> Float {
        guard let base = row.baseAddress else { return -.infinity }
        // Four accumulators of eight lanes: the loop is then bound by loads, not by the latency of one compare chain.
        var best = (
            SIMD8<Float>(repeating: -.infinity), SIMD8<Float>(repeating: -.infinity),
            SIMD8<Float>(repeating: -.infinity), SIMD8<Float>(repeating: -.infinity)
        )
        let blocks = row.count / 32
        for block in 0..<blocks {
            // SAFETY: block < count / 32, so 32 floats from here on lie inside the row.
            let raw = UnsafeRawPointer(base + block * 32)
            let a = raw.loadUnaligned(as: SIMD8<Float>.self)
            let b = raw.loadUnaligned(fromByteOffset: 32, as: SIMD8<Float>.self)
            let c = raw.loadUnaligned(fromByteOffset: 64, as: SIMD8<Float>.self)
            let d = raw.loadUnaligned(fromByteOffset: 96, as: SIMD8<Float>.self)
            best.0.replace(with: a, where: a .> best.0)
            best.1.replace(with: b, where: b .> best.1)
            best.2.replace(with: c, where: c .> best.2)
            best.3.replace(with: d, where: d .> best.3)
        }
        var result = max(max(best.0.max(), best.1.max()), max(best.2.max(), best.3.max()))
        for index in blocks * 32..<row.count where row[index] > result {
            result = row[index]
        }
        return result
    }

    /// The first index of the largest score, nil when no score is above −∞.
    package static func argmax(_ row: UnsafeBufferPointer<Float>) -> Int? {
        let largest = maximum(row)
        guard largest > -.infinity else { return nil }
        return row.firstIndex(of: largest)
    }

    /// log Σ exp(score), accumulated in double precision; nil when it is not a finite number.
    package static func logSumExp(_ row: UnsafeBufferPointer<Float>) -> Double? {
        let largest = maximum(row)
        guard largest.isFinite else { return nil }
        var sum = SIMD8<Double>(repeating: 0)
        for start in stride(from: 0, to: row.count, by: 8) {
            let block = block(row, at: start) - largest
            if any(block .> VectorExp.least) {
                sum += SIMD8<Double>(VectorExp.exp(block))
            }
        }
        return Double(largest) + ScalarMath.log(sum.sum())
    }

    /// The Kullback–Leibler divergence Σ p · (log p − log q) of p = softmax(row) from q = softmax(other), in nats.
    ///
    /// Equal rows give exactly 0. Sums are in double precision; rounding of the weights may leave −1e-7 where it is 0.
    ///
    /// - Returns: nil when one of the distributions is not defined.
    package static func divergence(_ row: UnsafeBufferPointer<Float>, from other: UnsafeBufferPointer<Float>) -> Double?
    {
        precondition(row.count == other.count, "divergence: \(row.count) and \(other.count) scores")
        let largest = maximum(row)
        guard let logSum = logSumExp(row), let otherLogSum = logSumExp(other) else { return nil }
        var total = SIMD8<Double>(repeating: 0)
        var difference = SIMD8<Double>(repeating: 0)
        for start in stride(from: 0, to: row.count, by: 8) {
            let scores = block(row, at: start)
            guard any(scores - largest .> VectorExp.least) else { continue }
            let weights = VectorExp.exp(scores - largest)
            // A score without weight adds nothing, whatever it is: −∞ − −∞ would be NaN.
            let apart = (SIMD8<Double>(scores) - SIMD8<Double>(block(other, at: start)))
                .replacing(with: 0, where: SIMD8<Double>(weights) .== 0)
            total += SIMD8<Double>(weights)
            difference += SIMD8<Double>(weights) * apart
        }
        return difference.sum() / total.sum() - (logSum - otherLogSum)
    }

    /// Calls `body` with the index of each score and exp(score − largest), in order, leaving out those without weight.
    @inline(__always)
    static func forEachWeight(
        _ row: UnsafeBufferPointer<Float>,
        largest: Float,
        _ body: (_ index: Int, _ weight: Float) -> Void
    ) {
        for start in stride(from: 0, to: row.count, by: 8) {
            let block = block(row, at: start) - largest
            guard any(block .> VectorExp.least) else { continue }
            let weights = VectorExp.exp(block)
            for lane in 0..<8 where weights[lane] > 0 {
                body(start + lane, weights[lane])
            }
        }
    }

    /// The tokens with a score above `floor`, highest score first, of equal scores the lower index first.
    static func ranked(_ row: UnsafeBufferPointer<Float>, above floor: Float) -> [Int] {
        var keys: [UInt64] = []
        for (index, score) in row.enumerated() where score > floor {
            // One integer that sorts like (−score, index): sorting integers is several times faster than pairs.
            keys.append(~UInt64(orderedBits(score)) << 32 | UInt64(UInt32(truncatingIfNeeded: index)))
        }
        keys.sort()
        return keys.map { Int($0 & 0xFFFF_FFFF) }
    }

    /// Bits that compare as unsigned integers the way the numbers do (−0 counts as 0).
    static func orderedBits(_ value: Float) -> UInt32 {
        let bits = (value + 0).bitPattern
        return bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits
    }

    /// Eight scores from `start` on, −∞ beyond the end of the row.
    @inline(__always)
    private static func block(_ row: UnsafeBufferPointer<Float>, at start: Int) -> SIMD8<Float> {
        if start + 8 <= row.count, let base = row.baseAddress {
            // SAFETY: all eight lie inside the row.
            return UnsafeRawPointer(base + start).loadUnaligned(as: SIMD8<Float>.self)
        }
        var block = SIMD8<Float>(repeating: -.infinity)
        for lane in 0..<row.count - start {
            block[lane] = row[start + lane]
        }
        return block
    }

    /// Replaces the scores by their log-softmax; false (row untouched) when that is not defined.
    package static func logSoftmax(_ row: UnsafeMutableBufferPointer<Float>) -> Bool {
        let largest = maximum(UnsafeBufferPointer(row))
        guard let total = logSumExp(UnsafeBufferPointer(row)) else { return false }
        // Two subtractions in single precision, as torch has it: the first is exact for the scores that matter.
        let logSum = Float(total - Double(largest))
        for index in row.indices {
            row[index] = (row[index] - largest) - logSum
        }
        return true
    }
}
