// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The pieces of a model: bytes ↔ symbol ↔ token id.
///
/// A *symbol* is the position of a piece in the file; merging works on symbols, so that nothing is ever allocated by
/// an id the file made up. Pieces are compared byte by byte: Swift's `String` equality would take é and e + ◌́ for
/// the same piece.
struct Vocabulary: Sendable {
    /// All pieces end to end.
    private var pool: [UInt8] = []
    /// Where each piece starts in `pool`, and where the last one ends.
    private var offsets: [UInt32] = [0]
    private(set) var ids: [Int32] = []
    /// Open addressing: the upper half of a slot is the upper half of the hash, the lower half is symbol + 1.
    private var slots: [UInt64]
    private var symbolOfDenseId: [UInt32] = []
    private var symbolOfSparseId: [Int32: UInt32] = [:]
    /// Random, so that no file can be made whose pieces all collide.
    private let seed = UInt64.random(in: .min ... .max)

    static let none = UInt32.max

    init(minimumCapacity: Int) {
        slots = Array(repeating: 0, count: Self.slotCount(for: minimumCapacity))
    }

    var count: Int { ids.count }

    // MARK: - Building

    /// Adds a piece whose bytes `write` appends to the pool; false if the piece is already there.
    mutating func insert(id: Int32, write: (inout [UInt8]) -> Void) -> Bool {
        let start = pool.count
        write(&pool)
        if (count + 1) * 2 > slots.count { grow() }
        let hash = hash(pool, start..<pool.count)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            if matches(slots[slot], hash, pool, start..<pool.count) {
                pool.removeSubrange(start...)
                return false
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = hash & ~0xFFFF_FFFF | UInt64(count + 1)
        ids.append(id)
        offsets.append(UInt32(truncatingIfNeeded: pool.count))
        return true
    }

    /// Makes `symbol(id:)` work; returns the id that two pieces claim, if any.
    mutating func indexIds() -> Int32? {
        // Ids are almost always 0..<count; a table is only worth it, and only safe, when they are near that.
        if let largest = ids.max(), Int(largest) < 2 * count + 1024 {
            symbolOfDenseId = Array(repeating: Self.none, count: Int(largest) + 1)
            for (symbol, id) in ids.enumerated() {
                guard symbolOfDenseId[Int(id)] == Self.none else { return id }
                symbolOfDenseId[Int(id)] = UInt32(symbol)
            }
        } else {
            symbolOfSparseId.reserveCapacity(count)
            for (symbol, id) in ids.enumerated() {
                guard symbolOfSparseId.updateValue(UInt32(symbol), forKey: id) == nil else { return id }
            }
        }
        return nil
    }

    // MARK: - Looking up

    /// The symbol of the piece `bytes[range]`, or `none`.
    func symbol(_ bytes: [UInt8], _ range: Range<Int>) -> UInt32 {
        let hash = hash(bytes, range)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            if matches(slots[slot], hash, bytes, range) { return UInt32(truncatingIfNeeded: slots[slot]) - 1 }
            slot = (slot + 1) & (slots.count - 1)
        }
        return Self.none
    }

    func symbol(_ piece: [UInt8]) -> UInt32 {
        symbol(piece, 0..<piece.count)
    }

    /// The symbol with this token id, or `none`.
    func symbol(id: Int) -> UInt32 {
        if id >= 0, id < symbolOfDenseId.count { return symbolOfDenseId[id] }
        guard let id = Int32(exactly: id) else { return Self.none }
        return symbolOfSparseId[id] ?? Self.none
    }

    /// The bytes of a piece.
    func piece(_ symbol: UInt32) -> ArraySlice<UInt8> {
        pool[Int(offsets[Int(symbol)])..<Int(offsets[Int(symbol) + 1])]
    }

    // MARK: - Hashing

    private func hash(_ bytes: [UInt8], _ range: Range<Int>) -> UInt64 {
        var hash = seed
        for index in range {
            hash = (hash ^ UInt64(bytes[index])) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
        }
        return hash
    }

    private func matches(_ slot: UInt64, _ hash: UInt64, _ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        guard (slot ^ hash) >> 32 == 0 else { return false }
        let symbol = Int(truncatingIfNeeded: slot & 0xFFFF_FFFF) - 1
        let start = Int(offsets[symbol])
        guard Int(offsets[symbol + 1]) - start == range.count else { return false }
        for offset in 0..<range.count where pool[start + offset] != bytes[range.lowerBound + offset] { return false }
        return true
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for symbol in 0..<count {
            let hash = hash(pool, Int(offsets[symbol])..<Int(offsets[symbol + 1]))
            var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = hash & ~0xFFFF_FFFF | UInt64(symbol + 1)
        }
    }

    private static func slotCount(for capacity: Int) -> Int {
        var count = 16
        while count < capacity * 2 + 2 { count *= 2 }
        return count
    }
}
