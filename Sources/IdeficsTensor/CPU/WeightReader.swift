// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The state of a `WeightStream`, shared by the thread that reads and those that compute.
///
/// SAFETY: `@unchecked Sendable` holds because every mutable property is touched under the condition's lock only.
final class WeightReader: @unchecked Sendable {
    private enum Place {
        case onDisk, arriving, inMemory, leaving
    }

    private struct State {
        var place = Place.onDisk
        /// Products that need it now.
        var users = 0
        var isResident: Bool
        /// The unit that was used after it last time.
        var next: Int
    }

    private let parts: [[MappedPart]]
    private let byteCounts: [Int]
    private let unitByAddress: [UInt: Int]
    private let window: Int
    private let shortage: @Sendable (Int) -> Int
    private let bytesBetweenChecks: Int

    private let condition = NSCondition()
    private var states: [State]
    /// Units that products wait for, oldest first.
    private var wanted: [Int] = []
    /// The unit used last, after which is read ahead; nil before the first.
    private var cursor: Int?
    /// Bytes in memory, or on their way there or back, of units that do not stay.
    private var windowByteCount = 0
    private var counts = WeightStream.Statistics()
    private var isClosed = false

    init(
        _ units: [WeightStream.Unit],
        first: Int,
        window: Int,
        shortage: @escaping @Sendable (_ residentByteCount: Int) -> Int,
        bytesBetweenChecks: Int
    ) {
        precondition(
            first >= 0 && (first < units.count || units.isEmpty),
            "WeightStream: unit \(first) of \(units.count)"
        )
        parts = units.map(\.weight.mappedParts)
        byteCounts = parts.map { $0.reduce(0) { $0 + $1.byteCount } }
        unitByAddress = Dictionary(units.enumerated().map { ($1.weight.address, $0) }) { first, _ in first }
        self.window = window
        self.shortage = shortage
        self.bytesBetweenChecks = bytesBetweenChecks
        states = units.enumerated().map { index, unit in
            State(isResident: unit.isResident, next: index + 1 < units.count ? index + 1 : first)
        }
    }

    /// The files that hold the units, each once.
    var files: [MappedFile] {
        var seen: Set<ObjectIdentifier> = []
        return parts.joined().map(\.file).filter { seen.insert(ObjectIdentifier($0)).inserted }
    }

    var statistics: WeightStream.Statistics {
        condition.lock()
        defer { condition.unlock() }
        return counts
    }

    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    // MARK: - Computing threads

    /// The units among the weights of `products`, each once.
    func units(of products: [LinearProduct]) -> [Int] {
        products.reduce(into: []) { units, product in
            guard let unit = unitByAddress[product.weight.address], !units.contains(unit) else { return }
            units.append(unit)
        }
    }

    /// Returns when all of `units` are in memory; they stay there until `release`.
    func acquire(_ units: [Int]) {
        guard let first = units.first, let last = units.last else { return }
        condition.lock()
        defer { condition.unlock() }
        if let cursor { states[cursor].next = first }
        for (unit, next) in zip(units, units.dropFirst()) { states[unit].next = next }
        cursor = last
        var isComplete = true
        for unit in units {
            states[unit].users += 1
            if states[unit].place != .inMemory {
                isComplete = false
                wanted.append(unit)
            }
        }
        condition.broadcast()
        if !isComplete { counts.waitCount += 1 }
        while !units.allSatisfy({ states[$0].place == .inMemory }), !isClosed { condition.wait() }
    }

    /// Ends the use of `units`; those that do not stay are dropped.
    func release(_ units: [Int]) {
        condition.lock()
        defer { condition.unlock() }
        for unit in units { states[unit].users -= 1 }
        drop(units.filter { states[$0].users == 0 && !states[$0].isResident && states[$0].place == .inMemory })
    }

    /// Drops `units`, which are in memory and not in use; called with the lock, which is given up meanwhile.
    private func drop(_ units: [Int]) {
        guard !units.isEmpty else { return }
        for unit in units { states[unit].place = .leaving }
        condition.unlock()
        for part in units.flatMap({ parts[$0] }) { part.drop() }
        condition.lock()
        for unit in units {
            states[unit].place = .onDisk
            windowByteCount -= byteCounts[unit]
            counts.droppedByteCount += byteCounts[unit]
        }
        condition.broadcast()
    }

    // MARK: - The reading thread

    /// Reads until the stream is closed.
    func run() {
        var unchecked = 0
        condition.lock()
        while !isClosed {
            guard let unit = nextUnit() else {
                condition.wait()
                continue
            }
            states[unit].place = .arriving
            if !states[unit].isResident {
                windowByteCount += byteCounts[unit]
                counts.largestWindow = max(counts.largestWindow, windowByteCount)
            }
            let resident = states.indices.reduce(0) { states[$1].isResident ? $0 + byteCounts[$1] : $0 }
            condition.unlock()
            for part in parts[unit] { part.read() }
            unchecked += byteCounts[unit]
            let excess = unchecked >= bytesBetweenChecks ? shortage(resident) : 0
            if unchecked >= bytesBetweenChecks { unchecked = 0 }
            condition.lock()
            states[unit].place = .inMemory
            counts.readByteCount += byteCounts[unit]
            condition.broadcast()
            if excess > 0 { demote(excess) }
        }
        condition.unlock()
    }

    /// What to read now: what a product waits for, else what will be needed soonest, if there is room; called with the
    /// lock, which may be given up meanwhile.
    private func nextUnit() -> Int? {
        wanted.removeAll { states[$0].place == .inMemory || states[$0].users == 0 }
        if let unit = wanted.first(where: { states[$0].place == .onDisk }) {
            makeRoom(for: unit, keeping: [])
            return states[unit].place == .onDisk ? unit : nil
        }
        guard let cursor else { return nil }
        var ahead: Set<Int> = []
        var unit = states[cursor].next
        while ahead.insert(unit).inserted {
            if states[unit].place == .onDisk {
                makeRoom(for: unit, keeping: ahead)
                let fits = states[unit].isResident || windowByteCount + byteCounts[unit] <= window
                return fits && states[unit].place == .onDisk ? unit : nil
            }
            unit = states[unit].next
        }
        return nil
    }

    /// Drops what was read ahead in vain, if `unit` needs the room: units nobody uses, but for those in `keeping`.
    private func makeRoom(for unit: Int, keeping: Set<Int>) {
        guard !states[unit].isResident, windowByteCount + byteCounts[unit] > window else { return }
        drop(
            states.indices.filter {
                states[$0].place == .inMemory && !states[$0].isResident && states[$0].users == 0
                    && !keeping.contains($0)
            }
        )
    }

    /// Lets `byteCount` bytes of units that were to stay go after their next use, and those not in use at once.
    private func demote(_ byteCount: Int) {
        var left = byteCount
        var unused: [Int] = []
        for unit in states.indices where states[unit].isResident && left > 0 {
            states[unit].isResident = false
            left -= byteCounts[unit]
            counts.demotedByteCount += byteCounts[unit]
            guard states[unit].place != .onDisk else { continue }
            windowByteCount += byteCounts[unit]
            if states[unit].users == 0, states[unit].place == .inMemory { unused.append(unit) }
        }
        drop(unused)
    }
}
