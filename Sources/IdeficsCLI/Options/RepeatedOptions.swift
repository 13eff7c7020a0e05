// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Foundation
import IdeficsFoundation

/// Refuses an option of one value that is given twice: the parser takes the last value and drops the others without a word.
///
/// Which options have one value is read from the parser's own description of the command. Whether an argument is such an
/// option, or the value of another one, is asked of it, too: with an unknown option in its place only the former is an error.
package enum RepeatedOptions {
    /// What the parser's description tells of a command.
    private struct Description: Decodable {
        struct Command: Decodable { let arguments: [Argument]? }
        struct Argument: Decodable {
            struct Name: Decodable {
                let kind: String
                let name: String
                /// As it is typed.
                var text: String { (kind == "long" ? "--" : "-") + name }
            }
            let kind: String
            let isRepeating: Bool
            let names: [Name]?
        }
        let command: Command
    }

    /// Checks the arguments of a command that the parser has taken.
    ///
    /// - Parameters:
    ///   - arguments: what `parse` was given.
    ///   - command: the command that came out.
    ///   - parse: parses arguments.
    /// - Throws: `ValidationError` naming the option.
    package static func check(
        _ arguments: [String],
        of command: any ParsableCommand.Type,
        parse: ([String]) throws -> Void
    ) throws {
        let names = arguments.map(name)
        // Most lines have no name twice.
        guard Set(names.compactMap(\.self)).count < names.count(where: { $0 != nil }) else { return }
        let text = Data(command._dumpHelp().utf8)
        let description = try JSONReader.decode(Description.self, from: text, file: "--experimental-dump-help")
        for option in description.command.arguments ?? [] where option.kind == "option" && !option.isRepeating {
            let own = Set(option.names?.map(\.text) ?? [])
            let places = arguments.indices.filter { names[$0].map(own.contains) ?? false }
            guard places.count > 1 else { continue }
            let given = places.filter { isOption($0, of: arguments, parse) }
            guard given.count > 1, let name = names[given[0]] else { continue }
            let times = given.count == 2 ? "twice" : "\(given.count) times"
            throw ValidationError("\(name) is given \(times), and takes one value")
        }
    }

    /// The name in `--name` and `--name=value`; nil for what cannot be an option.
    private static func name(_ argument: String) -> String? {
        guard argument.hasPrefix("-") else { return nil }
        return argument.firstIndex(of: "=").map { String(argument[..<$0]) } ?? argument
    }

    /// Whether the argument at `place` is an option, and no value.
    private static func isOption(_ place: Int, of arguments: [String], _ parse: ([String]) throws -> Void) -> Bool {
        var marked = arguments
        let value = arguments[place].firstIndex(of: "=").map { arguments[place][$0...] } ?? ""
        marked[place] = "--\(UUID().uuidString)\(value)"
        do {
            try parse(marked)
            return false
        } catch {
            return true
        }
    }
}
