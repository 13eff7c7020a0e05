// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Files of Git LFS (large file storage): a clone without it holds small texts in their place.
package enum GitLFS {
    /// What is said of such a text.
    package static let pointerReason =
        "it is a Git LFS pointer, not the file itself; run `git lfs pull` or download the file"

    /// Whether `bytes` are such a text.
    package static func isPointer(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.starts(with: "version https://git-lfs".utf8)
    }
}
