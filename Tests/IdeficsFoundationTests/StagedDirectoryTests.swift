// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTestSupport
import Testing

@Suite struct StagedDirectoryTests {
    let folder: TemporaryFolder
    let place: URL

    init() throws {
        folder = try TemporaryFolder()
        place = folder.url.appending(path: "model")
    }

    private func names(_ url: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
    }

    @Test func appearsWhole() throws {
        let staged = try StagedDirectory(place)
        try staged.write(Data("a".utf8), to: "a.txt")
        #expect(!FileManager.default.fileExists(atPath: place.path))
        try staged.commit()
        #expect(try folder.fileNames == ["model"])
        #expect(try names(place) == ["a.txt"])
    }

    @Test func abandonedLeavesNothing() throws {
        do {
            let staged = try StagedDirectory(place)
            try staged.write(Data("a".utf8), to: "a.txt")
        }
        #expect(try folder.fileNames.isEmpty)
    }

    @Test func replacesOnlyWhenTold() throws {
        try StagedDirectory(place).commit()
        try StagedDirectory(place).commit()  // an empty directory is no loss
        try folder.write([1], "model/config.json")
        #expect(throws: FileError.self) { try StagedDirectory(place) }
        let staged = try StagedDirectory(place, replacesExisting: true)
        try staged.write(Data("b".utf8), to: "b.txt")
        #expect(FileManager.default.fileExists(atPath: folder.path("model/config.json")))
        try staged.commit()
        #expect(try names(place) == ["b.txt"])
        #expect(try folder.fileNames == ["model"])
        try folder.write([1], "file")
        #expect(throws: FileError.self) {
            try StagedDirectory(folder.url.appending(path: "file"), replacesExisting: true)
        }
    }

    /// What others keep beside the place stays, whatever it is called.
    @Test func whatOthersNamedStays() throws {
        let kept = [
            ".model.partial.tmp", ".model.old", "model.old", ".model.x1.tmp", ".model.partial.tmp.old", "model.tmp",
            ".model.idefics-.tmp", ".model.idefics-kept.tmp", ".model.idefics-kept.lock",
        ]
        for name in kept {
            try FileManager.default.createDirectory(
                at: folder.url.appending(path: name),
                withIntermediateDirectories: false
            )
            try folder.write([1], name + "/mine")
        }
        do { _ = try StagedDirectory(place, resuming: "a") }
        try StagedDirectory(place, resuming: "b").commit()
        try folder.write([1], "model/config.json")
        try StagedDirectory(place, replacesExisting: true).commit()
        try StagedDirectory.removeAbandoned(in: folder.url, includingFiles: true)
        #expect(try folder.fileNames == (kept + ["model"]).sorted())
        for name in kept { #expect(try names(folder.url.appending(path: name)) == ["mine"]) }
    }

    @Test func aStoppedRunIsResumedOnlyByItsLike() throws {
        do { try StagedDirectory(place, resuming: "a").write(Data("1".utf8), to: "first") }
        do {
            let resumed = try StagedDirectory(place, resuming: "a")
            #expect(FileManager.default.fileExists(atPath: resumed.url.appending(path: "first").path))
        }
        do {
            let other = try StagedDirectory(place, resuming: "b")
            #expect(!FileManager.default.fileExists(atPath: other.url.appending(path: "first").path))
            try other.commit()
        }
        #expect(try folder.fileNames == ["model"])
        #expect(try names(place).isEmpty)
    }

    @Test func twoAtOnceDoNotShare() throws {
        let first = try StagedDirectory(place, resuming: "a")
        #expect(throws: FileError.self) { try StagedDirectory(place, resuming: "a") }
        #expect(throws: FileError.self) { try StagedDirectory(place, replacesExisting: true) }
        let other = try StagedDirectory(folder.url.appending(path: "model2"))
        try other.commit()
        try first.commit()
        #expect(try folder.fileNames == ["model", "model2"])
    }

    /// The states a kill can leave while an old folder is replaced: the next run finds old or new whole, and works.
    @Test(arguments: ["before", "between", "after", "removing"]) func aKillWhileReplacing(_ moment: String) throws {
        let token = "0123456789abcdefghij"
        func path(_ suffix: String) -> String { ".model.idefics-\(token).\(suffix)" }
        func make(_ name: String, _ file: String) throws {
            try FileManager.default.createDirectory(
                at: folder.url.appending(path: name),
                withIntermediateDirectories: true
            )
            try folder.write([1], name + "/" + file)
        }
        try folder.write([], path("lock"))
        switch moment {
        case "before":  // both are there, at their places
            try make("model", "config.json")
            try make(path("tmp"), "new")
        case "between":  // where folders cannot be exchanged: the old one is aside, the new one not there yet
            try make(path("old"), "config.json")
            try make(path("tmp"), "new")
        case "after":  // exchanged
            try make("model", "config.json")
            try make(path("tmp"), "old")
        default:  // the old one is half gone
            try make("model", "config.json")
            try make(path("old"), "half")
        }
        try StagedDirectory.removeAbandoned(in: folder.url)
        #expect(try folder.fileNames == ["model"])
        #expect(try names(place) == ["config.json"])
        // And without that, by the next run itself.
        try folder.write([], path("lock"))
        try make(path("tmp"), "new")
        let staged = try StagedDirectory(place, replacesExisting: true)
        try staged.write(Data(), to: "config.json")
        try staged.commit()
        #expect(try folder.fileNames == ["model"])
    }

    /// Being told to replace what is there is not being told to remove anything at all.
    @Test func onlyModelsAreReplaced() throws {
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        try folder.write([1], "model/photo.jpg")
        #expect(throws: FileError.self) { try StagedDirectory(place, replacesExisting: true) }
        try folder.write([1], "model/config.json")
        let error = #expect(throws: FileError.self) { try StagedDirectory(place, replacesExisting: true) }
        #expect(error?.reason.contains("photo.jpg") == true)
        try FileManager.default.removeItem(at: place.appending(path: "photo.jpg"))
        let staged = try StagedDirectory(place, replacesExisting: true)
        // And what came there in the meantime is looked at, too.
        try FileManager.default.createDirectory(at: place.appending(path: ".git"), withIntermediateDirectories: true)
        #expect(throws: FileError.self) { try staged.commit() }
        #expect(try names(place) == [".git", "config.json"])
    }

    /// Files beside a configuration that are no model's are somebody's own.
    @Test(arguments: [
        "train.jsonl", "notes.txt", "model.safetensors.bak", "model-old.safetensors", "model-1-of-x.bin",
        "embeddings.safetensors", "pytorch_model", "requirements.txt", ".env",
    ])
    func foreignFilesAreNotReplaced(_ name: String) throws {
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        try folder.write([1], "model/config.json")
        try folder.write([1], "model/\(name)")
        let error = #expect(throws: FileError.self) { try StagedDirectory(place, replacesExisting: true) }
        #expect(error?.reason.contains(name) == true)
        #expect(try folder.fileNames == ["model"])
    }

    @Test func filesOfModelsAreReplaced() throws {
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        for name in [
            "config.json", "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
            "pytorch_model.bin", "pytorch_model-00001-of-00003.safetensors", "pytorch_model.bin.index.json",
            "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "README.md", ".gitattributes",
            ".DS_Store", "quantization_report.json", "state.json", "first_moments.safetensors",
            ".model.safetensors.idefics-0123456789abcdefghij.tmp",
        ] { try folder.write([1], "model/\(name)") }
        try StagedDirectory(place, replacesExisting: true).commit()
        #expect(try names(place).isEmpty)
    }

    /// Before the work, not after it; and nothing is left.
    @Test func namesThatAreTooLong() throws {
        let long = folder.url.appending(path: String(repeating: "n", count: 256))
        let error = #expect(throws: FileError.self) { try StagedDirectory(long, resuming: "a") }
        #expect(error?.description.contains("too long") == true)
        #expect(try folder.fileNames.isEmpty)
    }

    @Test func whatIsReadIsNotReplaced() throws {
        for name in ["model/config.json", "model/adapter/adapter_config.json"] {
            let parent = folder.url.appending(path: name).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
            try folder.write([1], name)
        }
        let adapter = place.appending(path: "adapter")
        try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "model")
        for target in [place, folder.url.appending(path: "link"), folder.url.appending(path: "./model/.")] {
            #expect(throws: FileError.self) { try StagedDirectory(target, replacesExisting: true, keeping: [place]) }
            #expect(throws: FileError.self) { try StagedDirectory(target, replacesExisting: true, keeping: [adapter]) }
        }
        try StagedDirectory(folder.url.appending(path: "model2"), keeping: [place]).commit()
        #expect(try folder.fileNames == ["link", "model", "model2"])
    }

    @Test func filesThatWereNotFinishedAreNotKept() throws {
        let name = ".model.safetensors.idefics-0123456789abcdefghij.tmp"
        do {
            let staged = try StagedDirectory(place, resuming: "a")
            try Data().write(to: staged.url.appending(path: name))
        }
        try StagedDirectory(place, resuming: "a").commit()
        #expect(try names(place).isEmpty)
    }

    @Test func linksAreFollowedToThePlaceAndNotRemoved() throws {
        try FileManager.default.createDirectory(
            at: folder.url.appending(path: "disk"),
            withIntermediateDirectories: true
        )
        try FileManager.default.createSymbolicLink(atPath: place.path, withDestinationPath: "disk")
        let staged = try StagedDirectory(place)
        try staged.write(Data(), to: "a")
        try staged.commit()
        #expect(try names(folder.url.appending(path: "disk")) == ["a"])
        #expect(try folder.fileNames == ["disk", "model"])
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("dangling"),
            withDestinationPath: "nothing"
        )
        #expect(throws: FileError.self) { try StagedDirectory(folder.url.appending(path: "dangling")) }
    }

    /// Links inside what is removed are removed themselves, not what they point to.
    @Test func discardingStaysInside() throws {
        try folder.write([1], "precious")
        try StagedDirectory(place).commit()
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("model/link"),
            withDestinationPath: folder.url.path
        )
        try FileManager.default.createDirectory(at: place.appending(path: "a/b"), withIntermediateDirectories: true)
        try StagedDirectory.discard(place)
        #expect(try folder.fileNames == ["precious"])
    }
}
