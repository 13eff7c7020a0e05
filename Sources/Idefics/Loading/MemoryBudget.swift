// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsTensor

/// What memory a model may take: what the system leaves this process, or less.
public struct MemoryBudget: Sendable {
    /// Bytes of the whole process at most; nil for what the system leaves it.
    public let limit: Int?
    private let system: SystemMemory

    /// `limit` bytes for the whole process, or, with nil, what the system leaves it.
    public init(limit: Int? = nil) {
        self.init(limit: limit, system: SystemMemory())
    }

    package init(limit: Int?, system: SystemMemory) {
        self.limit = limit
        self.system = system
    }

    /// Bytes that weights and whatever else is still to come may take now.
    var availableByteCount: Int {
        let available = system.availableByteCount
        guard let limit else { return available }
        return min(available, max(0, limit - system.anonymousByteCount))
    }
}
