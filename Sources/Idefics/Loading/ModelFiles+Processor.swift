// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
public import IdeficsImages

extension ModelFiles {
    /// Where transformers 5 keeps everything of a processor but its tokenizer.
    static let processorName = "processor_config.json"
    /// Where image processors were kept before, and are still when they are saved alone.
    private static let preprocessorName = "preprocessor_config.json"

    /// The image processor: the part `image_processor` of `processor_config.json`, else `preprocessor_config.json`, else
    /// transformers' defaults at the size in `config.json`, if there is one.
    ///
    /// - Throws: an error naming file and key.
    public func imageProcessor() throws -> IdeficsImageProcessor {
        let own = try imageSettings { data, url in
            url.lastPathComponent == Self.processorName
                ? try IdeficsImageProcessor(processorConfig: data, file: url.path)
                : try IdeficsImageProcessor(json: data, file: url.path)
        }
        if let own { return own }
        var processor = try IdeficsImageProcessor()
        if hasConfig { processor.imageSize = try config().visionConfig.imageSize }
        return processor
    }

    /// What `read` makes of the first of the files that has something to say of images; nil if none has.
    ///
    /// - Parameter read: is given contents and place of a file; returns nil when it says nothing.
    /// - Returns: what `read` returned.
    /// - Throws: what reading throws.
    func imageSettings<Settings>(_ read: (Data, URL) throws -> Settings?) throws -> Settings? {
        for name in [Self.processorName, Self.preprocessorName] {
            let url = directory.appending(path: name)
            guard let json = try Files.readRegularIfPresent(url, limit: configurationLimit) else { continue }
            if let settings = try read(json, url) { return settings }
        }
        return nil
    }
}
