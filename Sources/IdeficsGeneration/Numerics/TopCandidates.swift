// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The `capacity` best candidates seen so far.
///
/// A higher score is better; of equal scores the lower index is better, so the outcome never depends on the order of
/// a sort. Kept as a binary heap with the worst candidate on top: a scan over a vocabulary costs one comparison for
/// almost every score.
package struct TopCandidates {
    /// A score and where it was found.
    package struct Candidate: Equatable {
        package var score: Double
        package var index: Int

        package func isBetter(than other: Candidate) -> Bool {
            score > other.score || (score == other.score && index < other.index)
        }
    }

    package let capacity: Int
    package private(set) var heap: [Candidate] = []

    package init(capacity: Int) {
        self.capacity = capacity
        heap.reserveCapacity(capacity)
    }

    /// The worst of the kept candidates, nil while there is none.
    package var worst: Candidate? { heap.first }

    /// The kept candidates, best first.
    package var sorted: [Candidate] { heap.sorted { $0.isBetter(than: $1) } }

    /// Offers one candidate; a NaN score counts as −∞.
    package mutating func insert(score: Double, index: Int) {
        let candidate = Candidate(score: score.isNaN ? -.infinity : score, index: index)
        if heap.count < capacity {
            heap.append(candidate)
            siftUp(heap.count - 1)
        } else if let worst = heap.first, candidate.isBetter(than: worst) {
            heap[0] = candidate
            siftDown(0)
        }
    }

    /// Offers `row[i] + offset` (in single precision) as candidate `firstIndex + i` for every i.
    package mutating func insert(row: UnsafeBufferPointer<Float>, adding offset: Float = 0, firstIndex: Int = 0) {
        guard let base = row.baseAddress, capacity > 0 else { return }
        var index = 0
        while index < row.count, heap.count < capacity {
            insert(score: Double(row[index] + offset), index: firstIndex + index)
            index += 1
        }
        guard let worst = heap.first else { return }
        var threshold = Float(worst.score)
        let tail = row.count - (row.count - index) % 8
        while index < tail {
            // SAFETY: index + 8 ≤ tail ≤ count.
            let block = UnsafeRawPointer(base + index).loadUnaligned(as: SIMD8<Float>.self) + offset
            // Not `>`: the caller may offer rows in any order, so a tie with the worst must be looked at.
            if any(block .>= threshold) {
                for lane in 0..<8 where block[lane] >= threshold {
                    insert(score: Double(block[lane]), index: firstIndex + index + lane)
                }
                threshold = Float(heap[0].score)
            }
            index += 8
        }
        while index < row.count {
            insert(score: Double(row[index] + offset), index: firstIndex + index)
            index += 1
        }
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[parent].isBetter(than: heap[child]) else { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var worst = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[worst].isBetter(than: heap[child]) {
                    worst = child
                }
            }
            guard worst != parent else { return }
            heap.swapAt(parent, worst)
            parent = worst
        }
    }
}
