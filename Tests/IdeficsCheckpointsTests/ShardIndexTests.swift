// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct ShardIndexTests {
    private let folder: TemporaryFolder
    private static let name = "model.safetensors.index.json"

    init() throws {
        folder = try TemporaryFolder()
    }

    private func expectRefusal(
        _ index: String,
        field: String,
        reason: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try folder.write(Array(index.utf8), Self.name)
        IdeficsCheckpointsTests.expectRefusal(
            file: Self.name,
            field: field,
            reason: reason,
            sourceLocation: sourceLocation
        ) {
            _ = try Checkpoint(directory: folder.url)
        }
    }

    @Test(arguments: [
        "../x", "..", ".", "", "a/b", "/etc/passwd", "a\\\\b", "a\\u0000b", "a\\nb", String(repeating: "a", count: 256),
    ])
    func fileNamesMustBePlain(_ name: String) throws {
        try expectRefusal(
            #"{"weight_map":{"w":"\#(name)"}}"#,
            field: "index.weight_map.w",
            reason: "not a plain file name"
        )
    }

    @Test(arguments: [
        (#"{"weight_map":{"w":1}}"#, "index.weight_map.w", "expected a string, found 1"),
        (#"{"weight_map":["a"]}"#, "index.weight_map", "expected an object, found an array"),
        (#"{"weight_map":null}"#, "index.weight_map", "is missing"),
        (#"{"metadata":{}}"#, "index.weight_map", "is missing"),
        ("{}", "index.weight_map", "is missing"),
        ("[]", "index", "expected an object, found an array"),
        ("", "index", "not valid JSON at line 1, column 1"),
        ("{\"weight_map\":{\n\"w\":\"a\"}", "index", "not valid JSON at line 2, column 9"),
    ])
    func structureIsChecked(_ index: String, _ field: String, _ reason: String) throws {
        try expectRefusal(index, field: field, reason: reason)
    }

    /// Writes an index and opens the checkpoint.
    private func checkpoint(_ index: String) throws -> Checkpoint {
        try folder.write(Array(index.utf8), Self.name)
        return try Checkpoint(directory: folder.url)
    }

    @Test func entriesWithoutATensorHarmNobodyWhoNeedsNone() throws {
        try SafetensorsWriter.write(["a": Tensor([1.0], shape: [1])], to: folder.url.appending(path: "1.safetensors"))
        let stale = try checkpoint(
            #"{"metadata":{"total_size":-7},"weight_map":{"a":"1.safetensors","b.inv_freq":"1.safetensors"}}"#
        )
        #expect(stale.tensorNames == ["a"] && stale.metadata(named: "b.inv_freq") == nil)
        #expect(throws: CheckpointError.missingTensor(file: stale.url.path, name: "b.inv_freq")) {
            try stale.tensor(named: "b.inv_freq")
        }
        let weights = Weights(stale)
        _ = weights.tensor("b.inv_freq", shape: [1])
        #expect { try weights.finish() } throws: { error in
            guard case CheckpointError.mismatch(let missing, _, _, _) = error else { return false }
            return missing == ["b.inv_freq"]
        }
    }

    @Test func filesThatAreNotThereAreNamedWhereTheyAreNeeded() throws {
        try SafetensorsWriter.write(["a": Tensor([1.0], shape: [1])], to: folder.url.appending(path: "1.safetensors"))
        let missing = folder.url.appending(path: "2.safetensors").path
        let reason = CheckpointError.unreadable(file: missing, reason: "No such file or directory")
        let checkpoint = try checkpoint(#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#)
        #expect(checkpoint.tensorNames == ["a"] && checkpoint.weightFileNames == ["1.safetensors"])
        #expect(throws: reason) { try checkpoint.tensor(named: "b") }
        let weights = Weights(OverlaidTensors(checkpoint, replaced: [:]))
        _ = weights.tensor("a", shape: [1])
        try weights.finish()
        _ = weights.tensor("b", shape: [1])
        #expect(throws: reason) { try weights.finish() }
        try folder.write(Array(#"{"weight_map":{"a":"2.safetensors"}}"#.utf8), Self.name)
        #expect(throws: reason) { try Checkpoint(directory: folder.url) }
    }

    /// An entry that nobody needs harms nobody, whatever became of its file.
    @Test(arguments: ["empty", "pointer", "dangling"]) func filesThatHoldNothing(_ kind: String) throws {
        try SafetensorsWriter.write(["a": Tensor([1.0], shape: [1])], to: folder.url.appending(path: "1.safetensors"))
        switch kind {
        case "empty": try folder.write([], "2.safetensors")
        case "pointer":
            try folder.write(Array("version https://git-lfs.github.com/spec/v1\noid".utf8), "2.safetensors")
        default:
            let path = folder.path("2.safetensors")
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "gone")
        }
        let checkpoint = try checkpoint(#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#)
        let weights = Weights(checkpoint)
        _ = weights.tensor("a", shape: [1])
        try weights.finish()
        _ = weights.tensor("b", shape: [1])
        let error = #expect(throws: CheckpointError.self) { try weights.finish() }
        #expect(error?.description.contains("2.safetensors") == true)
        try folder.write(Array(#"{"weight_map":{"b":"2.safetensors"}}"#.utf8), Self.name)
        #expect(throws: CheckpointError.self) { try Checkpoint(directory: folder.url) }
    }

    /// What holds something else is damage.
    @Test func damagedFilesAreRefused() throws {
        try SafetensorsWriter.write(["a": Tensor([1.0], shape: [1])], to: folder.url.appending(path: "1.safetensors"))
        try folder.write([1, 2, 3], "2.safetensors")
        #expect(throws: CheckpointError.self) {
            try checkpoint(#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#)
        }
    }

    @Test func entriesAsOthersWriteThem() throws {
        try SafetensorsWriter.write(
            ["a": Tensor([1.0], shape: [1]), "b": Tensor([2.0], shape: [1])],
            to: folder.url.appending(path: "1.safetensors")
        )
        let checkpoint = try checkpoint(#"{"weight_map":{"a":"././1.safetensors","b":null,"c":null}}"#)
        #expect(checkpoint.tensorNames == ["a", "b"] && checkpoint.weightFileNames == ["1.safetensors"])
        #expect(throws: CheckpointError.self) { try checkpoint.tensor(named: "c") }
        for name in [".//etc/passwd", "./../x", "./"] {
            try expectRefusal(
                #"{"weight_map":{"w":"\#(name)"}}"#,
                field: "index.weight_map.w",
                reason: "not a plain file name"
            )
        }
    }

    @Test func tensorsAreFoundWhereverTheyAre() throws {
        let url = folder.url.appending(path: "weights of any name")
        try SafetensorsWriter.write(["a": Tensor([1.0], shape: [1]), "b": Tensor([2.0], shape: [1])], to: url)
        try SafetensorsWriter.write(["a": Tensor([3.0], shape: [1])], to: folder.url.appending(path: "2"))
        let index =
            #"{"metadata":{"total_size":[4,{"x":-1.5e3}]},"weight_map":{"a":"2","c":"2","a":"weights of any name"}}"#
        let checkpoint = try checkpoint("\u{FEFF}\(index)\r\n")
        #expect(checkpoint.tensorNames == ["a", "b"])
        #expect(try checkpoint.tensor(named: "a").floatArray() == [1])
        #expect(try checkpoint.tensor(named: "b").floatArray() == [2])
    }

    @Test func oneFileIsPreferredToShards() throws {
        try SafetensorsWriter.write(
            ["a": Tensor([1.0], shape: [1])],
            to: folder.url.appending(path: "model.safetensors")
        )
        try folder.write(Array(#"{"weight_map":{}}"#.utf8), Self.name)
        try folder.write([0x80, 2], "pytorch_model.bin")
        #expect(try Checkpoint(directory: folder.url).tensorNames == ["a"])
    }
}
