// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension String {
    /// A relative path without the `./` before it, which some write and which changes nothing.
    package var withoutLeadingDot: String {
        var rest = self[...]
        while rest.utf8.starts(with: "./".utf8) { rest = rest[rest.utf8.index(rest.startIndex, offsetBy: 2)...] }
        return String(rest)
    }
}
