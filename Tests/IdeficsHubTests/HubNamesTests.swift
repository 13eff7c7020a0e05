// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsHub
import IdeficsTestSupport
import Testing

@Suite struct HubNamesTests {
    @Test(arguments: ["gpt2", "org/name", "a/b", "HuggingFaceM4/idefics-9b-instruct", "o_r.g/n-a_m.e", "0/1"])
    func acceptsRepoIds(text: String) throws {
        #expect(try RepoId(text).description == text)
    }

    @Test(arguments: [
        "", "/", "a/", "/a", "a/b/c", "a b", "a/../b", "../a", "a/..", "-a/b", "a/b-", ".a/b", "a/b.", "a--b/c",
        "a/b..c",
        "a/b.git", "a\\b", "a/b\0", "é/b", "a/b?x", "a/b#x", "a/b%2e", "a@b", "a\nb", String(repeating: "a", count: 97),
    ])
    func refusesRepoIds(text: String) {
        #expect(throws: HubError.self) { try RepoId(text) }
    }

    @Test(arguments: ["main", "v1.0", "refs/pr/1", "feature/x-y", "0123456789abcdef0123456789abcdef01234567", "größe"])
    func acceptsRevisions(text: String) throws {
        #expect(try Revision(text).description == text)
    }

    @Test(arguments: [
        "", "/", "..", "../x", "a/../b", "a/", "/a", "a//b", ".a", "a/.b", "a b", "a\\b", "a\0b", "a\nb", "a?b", "a*",
        "a:b",
        "a~1", "a^", "a..b", "a.lock", "a#b", "a%2f", "-a", String(repeating: "a", count: 300),
    ])
    func refusesRevisions(text: String) {
        #expect(throws: HubError.self) { try Revision(text) }
    }

    @Test func commitsAreFullAndLowerCase() throws {
        #expect(try Revision(TestHub.commit).isCommit)
        #expect(try !Revision(TestHub.commit.uppercased()).isCommit)
        #expect(try !Revision("0123456").isCommit)
    }

    @Test func readsReferences() throws {
        let main = try Revision("main")
        #expect(try ModelReference("a/b") == .repository(RepoId("a/b"), main))
        #expect(try ModelReference("a/b@refs/pr/2") == .repository(RepoId("a/b"), Revision("refs/pr/2")))
        let folder = FileManager.default.temporaryDirectory.path
        guard case .directory(let url) = try ModelReference(folder) else { throw HubError.invalidRevision(folder) }
        #expect(url.path == folder)
        for text in ["", "@main", "a/b@", "/no/such/folder", "./no-such-folder", "~/no-such-folder", "a/b@@x y"] {
            #expect(throws: HubError.self, "\(text)") { try ModelReference(text) }
        }
    }

    /// What is there and is no folder is told, and never asked of the hub.
    @Test func filesAndLinksAreNoModels() throws {
        let folder = try TemporaryFolder()
        func reason(_ name: String) -> String? {
            let error = #expect(throws: HubError.self) { try ModelReference(folder.url.appending(path: name).path) }
            guard case .invalidRepoId(_, let reason) = error else { return nil }
            return reason
        }
        try Data("GGUF".utf8).write(to: folder.url.appending(path: "model.gguf"))
        #expect(reason("model.gguf") == "a file, not a folder")
        for (name, target) in [("dangling", "nowhere"), ("loop", "loop")] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.url.appending(path: name).path,
                withDestinationPath: target
            )
            #expect(reason(name) == "a link that leads nowhere")
        }
        #expect(reason("nothing") == "no such folder")
    }

    @Test func selectsOneFormat() throws {
        func select(_ names: [String], _ patterns: [String] = FileSelection.model) -> [String] {
            let selection = FileSelection(patterns, from: names)
            return selection.files + selection.shards.flatMap { [$0.index] + $0.candidates.sorted() }
        }
        #expect(select(["model.safetensors", "pytorch_model.bin", "x.gguf"]) == ["model.safetensors"])
        #expect(select(["pytorch_model.bin", "x.gguf"]) == ["pytorch_model.bin"])
        let both = [
            "model-1.safetensors", "model.safetensors.index.json", "pytorch_model-1.bin",
            "pytorch_model.bin.index.json",
        ]
        #expect(select(both) == ["model.safetensors.index.json", "model-1.safetensors"])
        #expect(select(both + ["model.safetensors"]) == ["model.safetensors"])
        #expect(select(both, ["*.bin"]) == ["pytorch_model.bin.index.json", "pytorch_model-1.bin"])
        #expect(select(["a/x", "b/x"], ["a/"]) == ["a/x"])
        #expect(select(["model-1.safetensors"]) == ["model-1.safetensors"])
        #expect(
            select(["a/model.safetensors", "pytorch_model.bin"], ["*"]) == ["a/model.safetensors", "pytorch_model.bin"]
        )
        #expect(
            select(["adapter_model.safetensors", "adapter_model.bin"], ["*.safetensors"]) == [
                "adapter_model.safetensors"
            ]
        )
    }
}

@Suite struct HubConfigurationTests {
    private func configuration(_ environment: [String: String]) throws -> HubConfiguration {
        try HubConfiguration(environment: ["HOME": "/home/u"].merging(environment) { $1 })
    }

    @Test(
        arguments: [
            ([:], "/home/u/.cache/huggingface/hub"),
            (["XDG_CACHE_HOME": "/x"], "/x/huggingface/hub"),
            (["HF_HOME": "/h", "XDG_CACHE_HOME": "/x"], "/h/hub"),
            (["HF_HOME": "~/h"], "/home/u/h/hub"),
            (["HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/h"], "/old"),
            (["HF_HUB_CACHE": "/c", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/h"], "/c"),
            (["HF_HUB_CACHE": "", "HF_HOME": ""], "/home/u/.cache/huggingface/hub"),
        ] as [([String: String], String)]
    )
    func findsTheCache(environment: [String: String], path: String) throws {
        #expect(try configuration(environment).cacheDirectory.path == path)
    }

    @Test func readsEndpointAndOffline() throws {
        let standard = try configuration([:])
        #expect(standard.endpoint.absoluteString == "https://huggingface.co" && !standard.isOffline)
        #expect(try configuration(["HF_ENDPOINT": "http://h:1/x//"]).endpoint.absoluteString == "http://h:1/x")
        for value in ["1", "on", "True", "YES"] { #expect(try configuration(["HF_HUB_OFFLINE": value]).isOffline) }
        for value in ["0", "off", "", "no"] { #expect(try !configuration(["HF_HUB_OFFLINE": value]).isOffline) }
        for value in ["file:///x", "nonsense", "http://", "ftp://h", "http://h?x"] {
            #expect(throws: HubError.self, "\(value)") { try configuration(["HF_ENDPOINT": value]) }
        }
    }

    @Test func readsTheToken() async throws {
        #expect(try configuration(["HF_TOKEN": " hf_x\n"]).token == "hf_x")
        #expect(try configuration(["HF_TOKEN": ""]).token == nil)
        #expect(throws: HubError.self) { try configuration(["HF_TOKEN": "a\r\nX: y"]) }
        try await withFolder { folder in
            try Data("hf_file\n".utf8).write(to: folder.appending(path: "token"))
            #expect(try configuration(["HF_HOME": folder.path]).token == "hf_file")
            #expect(try configuration(["HF_HOME": folder.path, "HF_TOKEN": "hf_env"]).token == "hf_env")
            #expect(try configuration(["HF_TOKEN_PATH": folder.path + "/token"]).token == "hf_file")
            #expect(try configuration(["HF_HOME": folder.path, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]).token == nil)
        }
    }
}
