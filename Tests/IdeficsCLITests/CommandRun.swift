// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport

/// Runs `idefics` with `arguments`, `input` on standard input.
func idefics(_ arguments: [String], input: String = "", environment: [String: String] = [:]) throws -> ProductRun {
    try ProductRun("idefics", arguments, input: input, environment: environment)
}

extension ProductRun {
    /// The output as JSON.
    func json() throws -> Any {
        try JSONSerialization.jsonObject(with: Data(output.utf8))
    }
}

/// The tiny model with a tokenizer.
let tinyModel = Fixtures.url("f7-e2e").path
/// A picture of the fixtures.
func picture(_ name: String) -> String { Fixtures.url("processor/images/\(name)").path }
