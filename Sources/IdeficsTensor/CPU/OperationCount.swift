// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Adds up the operations of matrix products with weights, a multiply-add counting two.
///
/// What is counted are the products that are computed, where they are computed, so no figure can be larger than what was
/// done: rows without a target have no logits, equal images are encoded once, nothing is differentiated that nobody
/// wants. Adapters' products count, too. Not counted are attention, norms and what lies between products, and what
/// `checkpoint` computes a second time.
package final class OperationCount: Sendable {
    /// The count that products of this task add to; nil for none.
    @TaskLocal static var current: OperationCount?

    private let count = Atomic<UInt64>(0)

    /// Counts what `body` computes.
    ///
    /// - Parameter body: what is computed, on the caller's task.
    /// - Returns: what `body` returns, and the operations.
    /// - Throws: what `body` throws.
    package static func counting<Result>(
        _ body: () throws -> Result
    ) rethrows -> (result: Result, operations: Double) {
        let count = OperationCount()
        let result = try $current.withValue(count, operation: body)
        return (result, Double(count.count.load(ordering: .relaxed)))
    }

    /// Runs `body` without counting.
    static func pausing<Result>(_ body: () -> Result) -> Result {
        $current.withValue(nil, operation: body)
    }

    /// Adds a product `[rows, inner] · [inner, columns]`.
    static func add(rows: Int, inner: Int, columns: Int) {
        let operations = UInt64(2 * rows) &* UInt64(inner) &* UInt64(columns)
        current?.count.wrappingAdd(operations, ordering: .relaxed)
    }
}
