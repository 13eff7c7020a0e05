// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport

/// Runs `idefics` with `arguments`, `input` on standard input.
func idefics(_ arguments: [String], input: String = "") throws -> ProductRun {
    try ProductRun("idefics", arguments, input: input)
}

extension ProductRun {
    /// The output as JSON.
    func json() throws -> Any {
        try JSONSerialization.jsonObject(with: Data(output.utf8))
    }
}

/// A folder that is removed when the value goes away.
final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appending(path: "idefics-cli-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appending(path: name).path }
}

/// The tiny model with a tokenizer.
let tinyModel = Fixtures.url("f7-e2e").path
/// A picture of the fixtures.
func picture(_ name: String) -> String { Fixtures.url("processor/images/\(name)").path }
