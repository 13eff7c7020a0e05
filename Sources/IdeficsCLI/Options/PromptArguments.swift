// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsImages

/// Puts `--image` options and text arguments back into the order they were given in.
///
/// The parser collects the two kinds apart; the raw arguments still have their order.
enum PromptArguments {
    /// Items in the order of `arguments`.
    ///
    /// - Parameters:
    ///   - arguments: the raw arguments of the command.
    ///   - images: values of `--image` as parsed.
    ///   - texts: positional values as parsed.
    ///   - flags: names of options without a value.
    /// - Returns: texts and pictures; nothing given is left out.
    static func items(
        _ arguments: [String],
        images: [String],
        texts: [String],
        flags: Set<String>
    ) -> [Prompt.Item] {
        var items: [Prompt.Item] = []
        var images = images[...]
        var texts = texts[...]
        var isValueNext = false
        for argument in arguments {
            if isValueNext {
                isValueNext = false
            } else if argument == "--image" || argument.hasPrefix("--image=") {
                if let image = images.popFirst() { items.append(.image(ImageSource(image))) }
                isValueNext = argument == "--image"
            } else if argument == texts.first {
                texts.removeFirst()
                items += Prompt(strings: [argument]).items
            } else if argument.hasPrefix("-") && !argument.contains("=") {
                isValueNext = !flags.contains(argument)
            }
        }
        // Nothing gets lost, whatever the arguments looked like.
        return items + images.map { .image(ImageSource($0)) } + Prompt(strings: Array(texts)).items
    }
}
