// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Joins neighbouring symbols in the order of the merge table; holds the buffers, so that words share them.
struct PairMerger {
    /// The word; merged in place.
    var symbols: [UInt32] = []
    /// What must not come of merging: tokens that are structure, where words are merged.
    var avoided: Set<UInt32> = []

    /// The merge of each symbol with the next one.
    private var candidates: [UInt64] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var heap: [UInt64] = []

    /// Up to here scanning for the best pair beats keeping a heap.
    private static let longestScanned = 32

    mutating func merge(using merges: MergeTable) {
        if symbols.count < 2 { return }
        if symbols.count <= Self.longestScanned {
            mergeByScanning(merges)
        } else {
            mergeByHeap(merges)
        }
    }

    /// The rank and symbol of two symbols, or `MergeTable.none`.
    @inline(__always)
    private func candidate(_ merges: MergeTable, _ left: UInt32, _ right: UInt32) -> UInt64 {
        let found = merges.merge(left, right)
        if avoided.isEmpty || found == MergeTable.none { return found }
        return avoided.contains(UInt32(truncatingIfNeeded: found)) ? MergeTable.none : found
    }

    private mutating func mergeByScanning(_ merges: MergeTable) {
        candidates.removeAll(keepingCapacity: true)
        for index in 1..<symbols.count { candidates.append(candidate(merges, symbols[index - 1], symbols[index])) }
        while !candidates.isEmpty {
            var best = 0
            var bestRank = candidates[0] >> 32
            for index in 1..<max(candidates.count, 1) where candidates[index] >> 32 < bestRank {
                best = index
                bestRank = candidates[index] >> 32
            }
            let merge = candidates[best]
            if merge == MergeTable.none { return }
            symbols[best] = UInt32(truncatingIfNeeded: merge)
            symbols.remove(at: best + 1)
            candidates.remove(at: best)
            if best < candidates.count { candidates[best] = candidate(merges, symbols[best], symbols[best + 1]) }
            if best > 0 { candidates[best - 1] = candidate(merges, symbols[best - 1], symbols[best]) }
        }
    }

    // MARK: - Long words

    /// O(n log n): a heap of (rank, position) over a linked list; entries that no longer hold are dropped when met.
    private mutating func mergeByHeap(_ merges: MergeTable) {
        let count = symbols.count
        precondition(count < Int(Int32.max), "a word of 2³¹ symbols")
        let end = Int32(count)
        previous = (0..<end).map { $0 - 1 }
        next = (0..<end).map { $0 + 1 }
        heap.removeAll(keepingCapacity: true)
        for index in 1..<count { push(index - 1, candidate(merges, symbols[index - 1], symbols[index])) }

        while let top = pop() {
            let position = Int(truncatingIfNeeded: top & 0xFFFF_FFFF)
            let right = next[position]
            guard right > 0, right < end else { continue }
            let merge = candidate(merges, symbols[position], symbols[Int(right)])
            // The pair changed since the entry was made: what it is now has an entry of its own.
            guard merge != MergeTable.none, merge >> 32 == top >> 32 else { continue }
            symbols[position] = UInt32(truncatingIfNeeded: merge)
            let after = next[Int(right)]
            next[Int(right)] = -1
            next[position] = after
            if after < end {
                previous[Int(after)] = Int32(position)
                push(position, candidate(merges, symbols[position], symbols[Int(after)]))
            }
            let before = Int(previous[position])
            if before >= 0 { push(before, candidate(merges, symbols[before], symbols[position])) }
        }

        var length = 0
        var position = 0
        while position < count {
            symbols[length] = symbols[position]
            length += 1
            position = Int(next[position])
        }
        symbols.removeLast(count - length)
    }

    private mutating func push(_ position: Int, _ merge: UInt64) {
        guard merge != MergeTable.none else { return }
        heap.append(merge & ~0xFFFF_FFFF | UInt64(position))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent] <= heap[child] { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func pop() -> UInt64? {
        guard let top = heap.first else { return nil }
        let last = heap.removeLast()
        if heap.isEmpty { return top }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            if last <= heap[child] { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return top
    }
}
