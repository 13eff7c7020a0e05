// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsImages

/// A command whose arguments make one prompt, texts and images in the order they are given.
protocol PromptCommand: ParsableArguments {
    /// Positional arguments.
    var texts: [String] { get }
    /// Values of `--image`.
    var image: [String] { get }
    /// How images are fetched and prepared.
    var images: ImageOptions { get }
}

/// Puts `--image` options and text arguments back into the order they were given in.
///
/// The parser collects the two kinds apart and does not tell where each was. So it is asked: for each argument that may be
/// one of them it parses the line once more with a mark in that place, and where the mark turns up is what the argument
/// is. What is an option, a flag, a value or a text is thus decided by the parser alone.
enum PromptArguments {
    /// Texts and images of `command` in the order of `arguments`, which it was parsed from; nothing is left out.
    ///
    /// - Throws: when an image that is a pipe cannot be read.
    static func items<Command: PromptCommand>(of command: Command, _ arguments: [String]) throws -> [Prompt.Item] {
        var order: [Found] = []
        if !command.texts.isEmpty, !command.image.isEmpty {
            order = arguments.indices.compactMap { find($0, of: command, in: arguments) }
        }
        order += (command.texts.indices.map(Found.text) + command.image.indices.map(Found.image))
            .filter { !order.contains($0) }
        return try order.map { found in
            switch found {
            case .text(let index): Prompt(strings: [command.texts[index]]).items[0]
            case .image(let index): .image(try command.images.source(command.image[index]))
            }
        }
    }

    private enum Found: Equatable {
        case text(Int)
        case image(Int)
    }

    /// What the argument at `place` is, by its index among its kind; nil when it is something else.
    private static func find<Command: PromptCommand>(
        _ place: Int,
        of command: Command,
        in arguments: [String]
    ) -> Found? {
        let argument = arguments[place]
        // An argument is a value as it stands, or (`--image=a.jpg`) what follows its first equals sign.
        var values = [argument[...]]
        if argument.hasPrefix("-"), let sign = argument.firstIndex(of: "=") {
            values.append(argument[argument.index(after: sign)...])
        }
        for value in values.map(String.init) where command.texts.contains(value) || command.image.contains(value) {
            let mark = UUID().uuidString
            var marked = arguments
            marked[place] = argument.dropLast(value.count) + mark
            guard let parsed = try? Command.parse(marked), parsed.texts.count == command.texts.count,
                parsed.image.count == command.image.count
            else { continue }
            if let index = parsed.texts.firstIndex(of: mark) { return .text(index) }
            if let index = parsed.image.firstIndex(of: mark) { return .image(index) }
        }
        return nil
    }
}
