// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

/// The folder where this application keeps what it made or fetched for itself; models of the hub are not in it.
public struct ApplicationCache: Sendable {
    /// `$IDEFICS_CACHE`, else `$XDG_CACHE_HOME/idefics`, else `~/.cache/idefics`; it need not exist.
    public let directory: URL

    /// The cache of an environment; variables that are empty count as not set.
    ///
    /// - Parameter environment: names and values; nil for those of the process.
    public init(environment: [String: String]? = nil) {
        let environment = environment ?? PathBytes.environment
        func folder(_ name: String) -> URL? {
            environment[name].flatMap { value in
                let path = Files.expanded(value, environment: environment)
                return value.isEmpty ? nil : URL(localPath: path, isDirectory: true)
            }
        }
        let home = folder("HOME") ?? FileManager.default.homeDirectoryForCurrentUser
        directory =
            folder("IDEFICS_CACHE")
            ?? (folder("XDG_CACHE_HOME") ?? home.appending(path: ".cache")).appending(path: "idefics")
    }

    /// Where quantized copies of models are, or would be.
    public var quantizedCopiesDirectory: URL {
        directory.appending(path: "quantized", directoryHint: .isDirectory)
    }

    /// The name by which the demo model is asked for; `./demo` is a directory.
    public static let demoModelName = "demo"

    /// Where the demo model is, or would be.
    public var demoModelDirectory: URL {
        directory.appending(path: Self.demoModelName, directoryHint: .isDirectory)
    }

    /// The demo model's directory.
    ///
    /// - Throws: `IdeficsError.demoModelMissing` when it has not been made on this machine.
    public func demoModel() throws -> URL {
        let config = demoModelDirectory.appending(path: "config.json")
        guard Files.exists(config) else {
            throw IdeficsError.demoModelMissing(path: demoModelDirectory.path)
        }
        return demoModelDirectory
    }
}
