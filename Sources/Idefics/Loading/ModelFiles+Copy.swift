// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
package import IdeficsFoundation

extension ModelFiles {
    /// Files beside the weights that a changed copy of a model takes over.
    private static let otherFiles = [
        "generation_config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
        "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "chat_template.json", "chat_template.jinja", "README.md", "LICENSE", "NOTICE",
    ]

    /// A line for each file beside the weights that a copy takes over, which is another one when its content is.
    var otherFilesIdentity: [String] {
        (Self.otherFiles + ["config.json"]).map { contentIdentity(directory.appending(path: $0)) }
    }

    /// Makes sure that everything but the weights can be copied, before the work of hours that ends with it.
    ///
    /// - Throws: `FileError` for a link that leads nowhere, and for what is no regular file.
    func checkOtherFiles() throws {
        for url in Self.otherFiles.map({ directory.appending(path: $0) }) where Files.size(url.path) == nil {
            _ = try Files.readRegularIfPresent(url, limit: 0)
        }
    }

    /// Copies everything but the weights into `staged`.
    ///
    /// - Throws: `CheckpointError.unwritable`, or what reading throws.
    package func copyOtherFiles(to staged: StagedDirectory, withConfig: Bool = true) throws {
        for name in Self.otherFiles + (withConfig ? ["config.json"] : []) {
            let url = directory.appending(path: name)
            // Tokenizers are the largest of them, and read up to half of that.
            guard let content = try Files.readRegularIfPresent(url, limit: 256 << 20) else { continue }
            try staged.write(content, to: name)
        }
    }
}
