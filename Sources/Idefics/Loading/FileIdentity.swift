// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// A line that is another one when the file at `url` is: its real path, size and date; a file that is not there has size 0.
func fileIdentity(_ url: URL) -> String {
    let path = Files.realPath(url.path) ?? url.path
    return "\(path) \(Files.size(path) ?? 0) \(Files.modificationTime(path) ?? "")"
}

/// A line that is another one when what is in the file at `url` is: its name and the SHA-256 of its bytes.
///
/// For small files.
func contentIdentity(_ url: URL) -> String {
    guard let data = try? Files.readRegular(url, limit: 256 << 20),
        let digest = try? data.withUnsafeBytes({ try MessageDigest.hexDigest(.sha256, of: $0) })
    else {
        return "\(url.lastPathComponent) \(Files.size(url.path).map { "\($0) bytes" } ?? "-")"
    }
    return "\(url.lastPathComponent) \(digest)"
}
