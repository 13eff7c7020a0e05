// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor
import Testing

@Suite struct MemoryPoolTests {
    /// What is asked for holds as long as somebody asks for it, and no longer.
    @Test func limitsEndWithTheirRequests() {
        let pool = MemoryPool()
        let usual = pool.limit
        var large: FreedMemoryRequest? = pool.keep(upTo: 4 * usual)
        #expect(large != nil && pool.limit == 4 * usual)
        var larger: FreedMemoryRequest? = pool.keep(upTo: 8 * usual)
        #expect(larger != nil && pool.limit == 8 * usual)
        // A model that memory is short for.
        var short: FreedMemoryRequest? = pool.limit(to: usual / 4)
        #expect(short != nil && pool.limit == usual / 4)
        larger = nil
        #expect(pool.limit == usual / 4)
        short = nil
        #expect(pool.limit == 4 * usual)
        large = nil
        #expect(pool.limit == usual)
    }

    /// What is beyond a new limit goes back to the system, the rest is there for the next one.
    @Test func whatIsBeyondALimitIsNotKept() {
        let pool = MemoryPool()
        let small = pool.take(byteCount: 1 << 12)
        let large = pool.take(byteCount: 1 << 20)
        pool.give(small.pointer, capacity: small.capacity)
        pool.give(large.pointer, capacity: large.capacity)
        #expect(pool.byteCount == small.capacity + large.capacity)
        let request = pool.limit(to: 1 << 16)
        #expect(pool.byteCount == small.capacity)
        let again = pool.take(byteCount: 1 << 12)
        #expect(again.pointer == small.pointer)
        withExtendedLifetime(request) {}
        pool.give(again.pointer, capacity: again.capacity)
    }
}
