// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// Reference data in `Tests/Fixtures` (its README says how each file was made).
public enum Fixtures {
    /// The folder `Tests/Fixtures` of this checkout.
    public static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")

    /// The file or folder at `path` below `Tests/Fixtures`.
    public static func url(_ path: String) -> URL {
        root.appending(path: path)
    }

    /// The bytes of the file at `path` below `Tests/Fixtures`.
    public static func data(_ path: String) throws -> Data {
        try Data(contentsOf: url(path))
    }
}
