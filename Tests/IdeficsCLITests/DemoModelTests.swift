// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// The model name `demo`, and the offer to make what it stands for.
@Suite struct DemoModelTests {
    /// A folder with a set-up script that copies the tiny model.
    private func folder(script: String? = nil) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.path("Tools"), withIntermediateDirectories: false)
        let copying = """
            #!/bin/sh
            echo "making it with $IDEFICS"
            mkdir -p "$IDEFICS_CACHE" && cp -r '\(tinyModel)' "$IDEFICS_CACHE/demo"
            """
        let url = try folder.write(Array((script ?? copying).utf8), "Tools/demo_model.sh")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: url.path)
        return folder
    }

    /// `idefics inspect --model demo --json` in `folder`, on a terminal if asked.
    private func inspect(_ folder: TemporaryFolder, input: String = "", onTerminal: Bool = false) throws -> ProductRun {
        let idefics = ProductRun.url(of: "idefics")
        let arguments = ["inspect", "--model", "demo", "--json"]
        return try ProductRun(
            executable: onTerminal ? Self.terminal : idefics,
            onTerminal ? ["-qec", "'\(idefics.path)' \(arguments.joined(separator: " "))", "/dev/null"] : arguments,
            input: input,
            environment: ["IDEFICS_CACHE": folder.path("cache"), "IDEFICS": ""],
            workingDirectory: folder.url
        )
    }

    /// util-linux' `script`, which runs a command on a terminal of its own.
    static let terminal = URL(filePath: "/usr/bin/script")
    static let hasTerminal = FileManager.default.isExecutableFile(atPath: terminal.path)

    @Test func theNameIsNoDirectory() throws {
        let folder = try folder()
        // A directory of the name does not count.
        try FileManager.default.copyItem(atPath: tinyModel, toPath: folder.path("demo"))
        let missing = try inspect(folder)
        #expect(missing.status == 1)
        #expect(missing.errors.contains(folder.path("cache/demo")) && missing.errors.contains("make demo-model"))
        // Off a terminal nothing is offered and nothing is run.
        #expect(!missing.errors.contains("[y/N]"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("cache")))
        try FileManager.default.createDirectory(atPath: folder.path("cache"), withIntermediateDirectories: false)
        try FileManager.default.copyItem(atPath: tinyModel, toPath: folder.path("cache/demo"))
        let found = try inspect(folder)
        #expect(found.status == 0, "\(found.errors)")
        #expect(try (found.json() as? [String: Any])?["directory"] as? String == folder.path("cache/demo"))
    }

    @Test(.enabled(if: hasTerminal)) func aPersonIsAsked() throws {
        let folder = try folder()
        for refusal in ["n\n", "\n"] {
            let run = try inspect(folder, input: refusal, onTerminal: true)
            #expect(run.status == 1)
            #expect(run.output.contains("[y/N]") && run.output.contains("make demo-model"))
            #expect(!FileManager.default.fileExists(atPath: folder.path("cache")))
        }
        let run = try inspect(folder, input: "y\n", onTerminal: true)
        #expect(run.status == 0, "\(run.output)")
        #expect(run.output.contains("making it with"))
        #expect(run.output.contains("\"tensor_count\" : 128"))
    }

    @Test(.enabled(if: hasTerminal)) func aScriptThatFailsIsTold() throws {
        let folder = try folder(script: "#!/bin/sh\necho no network\nexit 3\n")
        let run = try inspect(folder, input: "y\n", onTerminal: true)
        #expect(run.status == 1)
        #expect(run.output.contains("no network") && run.output.contains("demo_model.sh: failed"))
    }
}
