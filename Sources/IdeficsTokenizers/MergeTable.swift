// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Which two symbols merge, into what, and how early: (left, right) → (rank, symbol).
struct MergeTable: Sendable {
    /// "These two do not merge"; its rank is later than any other.
    static let none = UInt64.max

    /// Key and value alternate, so that a hit costs one cache line.
    private var slots: [UInt64]
    private var mask: Int
    private(set) var count = 0
    /// Random for the same reason as in `Vocabulary`.
    private let seed = UInt64.random(in: .min ... .max)

    init(minimumCapacity: Int) {
        var capacity = 16
        while capacity < minimumCapacity * 2 + 2 { capacity *= 2 }
        slots = Array(repeating: Self.none, count: capacity * 2)
        mask = capacity - 1
    }

    /// Sets the merge of two symbols; a later one replaces an earlier one.
    mutating func insert(_ left: UInt32, _ right: UInt32, rank: UInt32, symbol: UInt32) {
        if (count + 1) * 2 > mask { grow() }
        place(UInt64(left) << 32 | UInt64(right), UInt64(rank) << 32 | UInt64(symbol))
    }

    /// The rank (upper half) and the merged symbol (lower half), or `none`.
    @inline(__always)
    func merge(_ left: UInt32, _ right: UInt32) -> UInt64 {
        let key = UInt64(left) << 32 | UInt64(right)
        var slot = home(key)
        while true {
            let found = slots[slot * 2]
            if found == key { return slots[slot * 2 + 1] }
            if found == Self.none { return Self.none }
            slot = (slot + 1) & mask
        }
    }

    /// Those of `symbols` that a merge makes.
    func results(among symbols: Set<UInt32>) -> Set<UInt32> {
        if symbols.isEmpty { return [] }
        var found: Set<UInt32> = []
        for index in stride(from: 0, to: slots.count, by: 2) where slots[index] != Self.none {
            let symbol = UInt32(truncatingIfNeeded: slots[index + 1])
            if symbols.contains(symbol) { found.insert(symbol) }
        }
        return found
    }

    @inline(__always)
    private func home(_ key: UInt64) -> Int {
        let product = (key ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: product.high ^ product.low) & mask
    }

    private mutating func place(_ key: UInt64, _ value: UInt64) {
        var slot = home(key)
        while slots[slot * 2] != Self.none, slots[slot * 2] != key { slot = (slot + 1) & mask }
        if slots[slot * 2] == Self.none { count += 1 }
        slots[slot * 2] = key
        slots[slot * 2 + 1] = value
    }

    private mutating func grow() {
        let old = slots
        mask = mask * 2 + 1
        slots = Array(repeating: Self.none, count: (mask + 1) * 2)
        count = 0
        for index in stride(from: 0, to: old.count, by: 2) where old[index] != Self.none {
            place(old[index], old[index + 1])
        }
    }
}
