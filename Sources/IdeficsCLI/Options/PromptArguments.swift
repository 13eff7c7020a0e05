// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Foundation
package import Idefics
import IdeficsFoundation
import IdeficsImages

/// A command whose arguments make one prompt, texts and images in the order they are given.
package protocol PromptCommand: ParsableArguments {
    /// Positional arguments.
    var texts: [String] { get }
    /// Values of `--image`.
    var image: [String] { get }
    /// How images are fetched and prepared.
    var images: ImageOptions { get }
}

/// Puts `--image` options and text arguments back into the order they were given in.
///
/// The parser collects the two kinds apart and does not tell where each was. So it is asked: the line is parsed once more
/// with marks in place of the arguments that may be one of them, and where a mark turns up is what its argument is. What
/// is an option, a flag, a value or a text is thus decided by the parser alone.
package enum PromptArguments {
    /// Texts and images of `command` in the order of `arguments`, which it was parsed from; nothing is left out.
    ///
    /// - Parameters:
    ///   - command: the command.
    ///   - arguments: what follows its name; by default that of this process.
    /// - Returns: texts and images.
    /// - Throws: when an image that is a pipe cannot be read.
    package static func items<Command: PromptCommand>(
        of command: Command,
        _ arguments: [String] = Array(PathBytes.arguments.dropFirst())
    ) throws -> [Prompt.Item] {
        var order: [Found] = []
        if !command.texts.isEmpty, !command.image.isEmpty {
            let candidates = candidates(for: command, in: arguments)
            order = find(candidates, of: command, in: arguments)
            if order.count < command.texts.count + command.image.count {
                // The value of another option is the same as a text or image, and a mark is no value for it.
                order = candidates.flatMap { find([$0], of: command, in: arguments) }
            }
        }
        order += (command.texts.indices.map(Found.text) + command.image.indices.map(Found.image))
            .filter { !order.contains($0) }
        return try order.map { found in
            switch found {
            case .text(let index): Prompt(strings: [PathBytes.repaired(command.texts[index])]).items[0]
            case .image(let index): .image(try command.images.source(command.image[index]))
            }
        }
    }

    /// What an argument is, by its index among its kind.
    private enum Found: Equatable {
        case text(Int)
        case image(Int)
    }

    /// An argument that may hold a text or image.
    private struct Candidate {
        let place: Int
        /// What stands before the text or image: `--image=`, or nothing.
        let prefix: Substring
    }

    /// Arguments that are, or (`--image=a.jpg`) have after their first equals sign, what some text or image is.
    private static func candidates(for command: some PromptCommand, in arguments: [String]) -> [Candidate] {
        let values = Set(command.texts + command.image)
        return arguments.enumerated().flatMap { place, argument in
            var candidates = values.contains(argument) ? [Candidate(place: place, prefix: "")] : []
            if argument.hasPrefix("-"), let sign = argument.firstIndex(of: "="),
                values.contains(String(argument[argument.index(after: sign)...]))
            {
                candidates.append(Candidate(place: place, prefix: argument[...sign]))
            }
            return candidates
        }
    }

    /// Which texts and images the candidates are, in their order; nothing for what is none of them.
    private static func find<Command: PromptCommand>(
        _ candidates: [Candidate],
        of command: Command,
        in arguments: [String]
    ) -> [Found] {
        let mark = UUID().uuidString
        var marked = arguments
        for (number, candidate) in candidates.enumerated() {
            marked[candidate.place] = "\(candidate.prefix)\(mark)\(number)"
        }
        guard let parsed = try? Command.parse(marked), parsed.texts.count == command.texts.count,
            parsed.image.count == command.image.count
        else { return [] }
        return candidates.indices.compactMap { number in
            parsed.texts.firstIndex(of: "\(mark)\(number)").map(Found.text)
                ?? parsed.image.firstIndex(of: "\(mark)\(number)").map(Found.image)
        }
    }
}
