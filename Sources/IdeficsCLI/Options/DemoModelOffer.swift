// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Offers to make the missing demo model; only to a person at a terminal, and only where its set-up script is.
struct DemoModelOffer {
    /// `Tools/demo_model.sh`.
    let script: URL
    private let executable: URL

    /// The offer; nil when nobody could answer it or there is no script.
    init?() {
        guard Terminal.isInputInteractive, Terminal.isErrorInteractive else { return nil }
        guard let executable = Bundle.main.executableURL?.resolvingSymlinksInPath() else { return nil }
        self.executable = executable
        let workingDirectory = URL(localPath: FileManager.default.currentDirectoryPath)
        let places = [workingDirectory, Self.checkout(of: executable)].compactMap { $0 }
            .map { $0.appending(path: "Tools/demo_model.sh") }
        guard let script = places.first(where: { FileManager.default.isExecutableFile(atPath: $0.path) }) else {
            return nil
        }
        self.script = script
    }

    /// The folder that holds the `.build*` folder in which `executable` lies.
    private static func checkout(of executable: URL) -> URL? {
        var folder = executable.deletingLastPathComponent()
        while folder.pathComponents.count > 1 {
            let isBuildFolder = folder.lastPathComponent.hasPrefix(".build")
            folder.deleteLastPathComponent()
            if isBuildFolder { return folder }
        }
        return nil
    }

    /// Asks; anything but yes is no.
    func isAccepted() -> Bool {
        Terminal.status("The demo model is not here. Fetch it now with \(script.path) (183 MB, needs python3)? [y/N] ")
        return ["y", "yes"].contains(readLine()?.lowercased())
    }

    /// Runs the script; what it says goes to standard error.
    ///
    /// Not through Foundation's `Process`, whose children are a process group of their own: an interrupt from the
    /// keyboard would end this program and leave the script running.
    ///
    /// - Throws: `CommandError` when it fails.
    func run() throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
        var environment = PathBytes.environment
        if environment["IDEFICS", default: ""].isEmpty { environment["IDEFICS"] = executable.path }
        let arguments = Self.cStrings([script.path])
        let variables = Self.cStrings(environment.map { "\($0.key)=\($0.value)" })
        defer { for string in arguments + variables { free(string) } }
        var child = pid_t()
        var status = posix_spawn(&child, script.path, &actions, nil, arguments, variables)
        guard status == 0 else {
            throw CommandError("\(script.path): cannot be run: \(String(cString: strerror(status)))")
        }
        while waitpid(child, &status, 0) == -1 {
            guard errno == EINTR else { throw CommandError("\(script.path): cannot be waited for") }
        }
        guard status == 0 else { throw CommandError("\(script.path): failed; what it said is above") }
    }

    /// Copies on the heap, with a nil at the end.
    private static func cStrings(_ strings: [String]) -> [UnsafeMutablePointer<CChar>?] {
        strings.map { strdup($0) } + [nil]
    }
}
