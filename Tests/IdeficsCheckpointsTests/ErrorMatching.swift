// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import Testing

/// Expects `body` to throw `malformed` (or `unsupported`) for a file and field that end as given.
func expectRefusal(
    file: String,
    field: String,
    reason: String,
    unsupported: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: CheckpointError.self, sourceLocation: sourceLocation) { try body() }
    switch error {
    case .malformed(let foundFile, let foundField, let foundReason) where !unsupported,
        .unsupported(let foundFile, let foundField, let foundReason) where unsupported:
        #expect(foundFile.hasSuffix(file), sourceLocation: sourceLocation)
        #expect(foundField == field, sourceLocation: sourceLocation)
        #expect(foundReason.contains(reason), sourceLocation: sourceLocation)
    default: Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
    }
}
