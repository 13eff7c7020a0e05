// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import Dispatch

/// Runs a blocking function on a thread of its own, never on one of Swift's cooperative pool.
package func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        // A serial queue of its own: it gets a thread at once, however many others block theirs.
        DispatchQueue(label: "idefics.blocking").async {
            continuation.resume(with: Swift.Result(catching: body))
        }
    }
}
