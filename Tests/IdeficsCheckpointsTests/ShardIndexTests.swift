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

    @Test func shardsMustExistAndHoldWhatTheIndexSays() throws {
        try SafetensorsWriter.write(["a": Tensor([1.0], shape: [1])], to: folder.url.appending(path: "1.safetensors"))
        try expectRefusal(
            #"{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}"#,
            field: "index.weight_map[\"b\"]",
            reason: "1.safetensors has no tensor of this name"
        )
        try folder.write(Array(#"{"weight_map":{"a":"2.safetensors"}}"#.utf8), Self.name)
        let missing = folder.url.appending(path: "2.safetensors").path
        #expect(throws: CheckpointError.unreadable(file: missing, reason: "No such file or directory")) {
            try Checkpoint(directory: folder.url)
        }
    }

    @Test func onlyTensorsOfTheIndexAreSeen() throws {
        let url = folder.url.appending(path: "weights of any name")
        try SafetensorsWriter.write(["a": Tensor([1.0], shape: [1]), "b": Tensor([2.0], shape: [1])], to: url)
        try folder.write(
            Array(#"{"metadata":{"total_size":[4,{"x":-1.5e3}]},"weight_map":{"a":"weights of any name"}}"#.utf8),
            Self.name
        )
        let checkpoint = try Checkpoint(directory: folder.url)
        #expect(checkpoint.tensorNames == ["a"])
        #expect(try checkpoint.tensor(named: "a").floatArray() == [1])
        #expect(throws: CheckpointError.missingTensor(file: checkpoint.url.path, name: "b")) {
            try checkpoint.tensor(named: "b")
        }
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
