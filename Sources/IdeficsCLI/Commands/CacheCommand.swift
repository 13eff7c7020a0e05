// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics

/// `idefics cache`.
struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache",
        abstract: "List and remove the quantized copies that --format made.",
        discussion: """
            They are in quantized/ in this program's cache ($IDEFICS_CACHE, else $XDG_CACHE_HOME/idefics, else \
            ~/.cache/idefics). Models of the Hugging Face hub are in the cache all its software shares, which \
            `hf cache` manages.
            """,
        subcommands: [List.self, Prune.self],
        defaultSubcommand: List.self
    )

    /// `idefics cache list`.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the copies, the one used last first.")

        @Flag(help: "Write one JSON object.")
        var json = false

        private struct Report: Encodable {
            struct Part: Encodable {
                let path: String
                let byteCount: Int64
            }

            struct Copy: Encodable {
                let path: String
                let source: String
                let format: String
                let byteCount: Int64
                let lastUsed: String
                let isCurrent: Bool
            }

            let directory: String
            let copies: [Copy]
            let unfinished: [Part]
        }

        func run() throws {
            let store = QuantizedCopies()
            let copies = try store.list()
            let unfinished = store.unfinished()
            if json {
                let parts = unfinished.map { Report.Part(path: $0.path, byteCount: $0.byteCount) }
                let described = copies.map {
                    Report.Copy(
                        path: $0.path,
                        source: $0.source,
                        format: $0.format,
                        byteCount: $0.byteCount,
                        lastUsed: $0.lastUsed.formatted(.iso8601),
                        isCurrent: $0.isCurrent
                    )
                }
                let report = Report(directory: store.directory.path, copies: described, unfinished: parts)
                return try Terminal.writeJSON(report, isPretty: true)
            }
            for copy in copies { try Terminal.write(CacheCommand.line(copy) + "\n") }
            for part in unfinished {
                try Terminal.write("\(Format.bytes(part.byteCount))  not finished  \(part.path)\n")
            }
            let total = copies.reduce(0) { $0 + $1.byteCount } + unfinished.reduce(0) { $0 + $1.byteCount }
            Terminal.note("\(store.directory.path): \(copies.count) copies, \(Format.bytes(total))")
        }
    }

    /// `idefics cache prune`.
    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove copies that cannot be used again, and others that are told.",
            discussion: """
                Without options: copies of models that are gone or were changed since, and what killed runs did not \
                finish. Removed is only what --format made; asks first, or needs --yes off a terminal.
                """
        )

        @Option(help: "Also copies that were not used for so many days.")
        var olderThan: Int?

        @Flag(help: "All copies.")
        var all = false

        @Flag(help: "Only say what would be removed.")
        var dryRun = false

        @Flag(help: "Do not ask.")
        var yes = false

        func validate() throws {
            guard 0...100_000 ~= olderThan ?? 0 else {
                throw ValidationError("--older-than \(olderThan ?? 0): must be 0 to 100000 (days)")
            }
        }

        func run() throws {
            let store = QuantizedCopies()
            let oldest = olderThan.map { Date().addingTimeInterval(-86_400 * Double($0)) }
            let copies = try store.list().filter { copy in
                all || !copy.isCurrent || oldest.map { copy.lastUsed < $0 } ?? false
            }
            let unfinished = store.unfinished()
            for copy in copies { try Terminal.write(CacheCommand.line(copy) + "\n") }
            for part in unfinished {
                try Terminal.write("\(Format.bytes(part.byteCount))  not finished  \(part.path)\n")
            }
            let total = copies.reduce(0) { $0 + $1.byteCount } + unfinished.reduce(0) { $0 + $1.byteCount }
            let count = copies.count + unfinished.count
            guard count > 0 else { return Terminal.note("\(store.directory.path): nothing to remove") }
            if dryRun { return Terminal.note("\(Format.bytes(total)) would be removed") }
            guard try yes || isAccepted(count, total) else { return Terminal.note("nothing was removed") }
            for copy in copies where try !store.remove(copy) { Terminal.note("\(copy.path): in use, stays") }
            try store.removeUnfinished()
            Terminal.note("\(Format.bytes(total)) removed")
        }

        /// Asks; anything but yes is no.
        private func isAccepted(_ count: Int, _ byteCount: Int64) throws -> Bool {
            guard Terminal.isInputInteractive, Terminal.isErrorInteractive else {
                throw CommandError("nobody can be asked here: say --yes")
            }
            Terminal.status("Remove \(count), \(Format.bytes(byteCount))? [y/N] ")
            return ["y", "yes"].contains(readLine()?.lowercased())
        }
    }

    private static func line(_ copy: QuantizedCopies.Copy) -> String {
        let day = copy.lastUsed.formatted(.iso8601.year().month().day())
        let note = copy.isCurrent ? "" : "  (the model is gone or was changed)"
        return "\(copy.format)  \(Format.bytes(copy.byteCount))  used \(day)  \(copy.source)\(note)"
    }
}
