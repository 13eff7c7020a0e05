// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct SafetensorsFileTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A file of `header`, whose length may be a lie, and `data`.
    private func write(_ header: String, data: [UInt8] = [], length: UInt64? = nil) throws -> URL {
        let header = Array(header.utf8)
        return try folder.write((length ?? UInt64(header.count)).littleEndianBytes + header + data, "x.safetensors")
    }

    private func expectRefusal(
        _ header: String,
        data: Int = 0,
        length: UInt64? = nil,
        field: String,
        reason: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        IdeficsCheckpointsTests.expectRefusal(
            file: "x.safetensors",
            field: field,
            reason: reason,
            sourceLocation: sourceLocation
        ) {
            _ = try SafetensorsFile(try write(header, data: Array(repeating: 1, count: data), length: length))
        }
    }

    @Test func readsTensorsScalarsAndEmptyOnes() throws {
        let header =
            #"{"s":{"dtype":"I16","shape":[],"data_offsets":[0,2]},"#
            + #""e":{"dtype":"F32","shape":[3,0],"data_offsets":[2,2]},"#
            + #""v":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}   "#
        let file = try SafetensorsFile(try write(header, data: [1, 2, 3, 4]))
        #expect(file.tensorNames == ["e", "s", "v"])
        #expect(try file.tensor(named: "s").intArray() == [0x0201])
        #expect(try file.tensor(named: "s").shape == [])
        #expect(try file.tensor(named: "e").shape == [3, 0])
        #expect(try file.tensor(named: "v").intArray() == [3, 4])
    }

    @Test func readsAFileWithoutTensors() throws {
        #expect(try SafetensorsFile(try write("{}")).tensorNames == [])
        #expect(try SafetensorsFile(try write(#"{"__metadata__":{}}"#)).fileMetadata == [:])
    }

    @Test func copiesWhatLiesUnaligned() throws {
        // A header of odd length: no float lies at a multiple of 4.
        var header = #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        if header.utf8.count.isMultiple(of: 2) { header += " " }
        let values: [Float] = [1.5, -2]
        let file = try SafetensorsFile(try write(header, data: values.withUnsafeBytes { Array($0) }))
        #expect(file.metadata(named: "w")?.isMapped == false)
        #expect(try file.tensor(named: "w").floatArray() == values)
    }

    @Test func listsButDoesNotLoadNarrowFloats() throws {
        let header =
            #"{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},"#
            + #""b":{"dtype":"F4","shape":[2,3],"data_offsets":[2,5]},"#
            + #""c":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[5,8]}}"#
        let url = try write(header, data: Array(repeating: 1, count: 8))
        let file = try SafetensorsFile(url)
        #expect(file.metadata(named: "a")?.dtype == .f8e4m3)
        #expect(file.metadata(named: "b")?.byteCount == 3)
        #expect(file.metadata(named: "c")?.byteCount == 3)
        for name in file.tensorNames {
            #expect(throws: CheckpointError.self) { try file.tensor(named: name) }
        }
    }

    @Test func headerLengthsAreBounded() throws {
        let url = try folder.write([1, 2, 3], "x.safetensors")
        IdeficsCheckpointsTests.expectRefusal(file: "x.safetensors", field: "header length", reason: "has 3 bytes") {
            _ = try SafetensorsFile(url)
        }
        let empty = try folder.write([], "x.safetensors")
        IdeficsCheckpointsTests.expectRefusal(file: "x.safetensors", field: "header length", reason: "has 0 bytes") {
            _ = try SafetensorsFile(empty)
        }
        let field = "header length"
        expectRefusal("{}", length: .max, field: field, reason: "more than 100000000")
        expectRefusal("{}", length: 1 << 63, field: field, reason: "more than 100000000")
        expectRefusal("{}", length: 100_000_001, field: field, reason: "more than 100000000")
        expectRefusal("{}", length: 3, field: field, reason: "cut short")
        expectRefusal("{}", length: 0, field: field, reason: "does not begin with {")
        expectRefusal("", length: 0, field: field, reason: "does not begin with {")
        expectRefusal(" {}", field: field, reason: "does not begin with {")
        expectRefusal("[]", field: field, reason: "does not begin with {")
    }

    @Test func dataMustBeCoveredExactly() {
        func entry(_ name: String, _ start: Int, _ end: Int) -> String {
            "\"\(name)\":{\"dtype\":\"U8\",\"shape\":[\(end - start)],\"data_offsets\":[\(start),\(end)]}"
        }
        expectRefusal("{\(entry("a", 0, 4)),\(entry("b", 2, 6))}", data: 6, field: offsets("b"), reason: "overlaps")
        expectRefusal("{\(entry("a", 0, 4)),\(entry("b", 0, 4))}", data: 4, field: offsets("b"), reason: "overlaps")
        expectRefusal("{\(entry("a", 0, 2)),\(entry("b", 3, 4))}", data: 4, field: offsets("b"), reason: "hole")
        expectRefusal("{\(entry("a", 1, 2))}", data: 2, field: offsets("a"), reason: "hole")
        expectRefusal("{\(entry("a", 0, 2))}", data: 3, field: "data", reason: "end at byte")
        expectRefusal("{}", data: 1, field: "data", reason: "end at byte")
    }

    private func offsets(_ name: String) -> String { "header.\(name).data_offsets" }

    @Test(arguments: [
        (#"{"dtype":"F32","shape":[1],"data_offsets":[0,8]}"#, "header.w", "takes 4 bytes, data_offsets give 8"),
        (#"{"dtype":"F32","shape":[1],"data_offsets":[8,0]}"#, "header.w.data_offsets", "no range"),
        (#"{"dtype":"F32","shape":[3],"data_offsets":[0,12]}"#, "header.w.data_offsets", "no range"),
        (#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#, "header.w.data_offsets", "no range"),
        (#"{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}"#, "header.w.data_offsets[2]", "more than 2"),
        (#"{"dtype":"F32","shape":[1],"data_offsets":[0,4.0]}"#, "header.w.data_offsets[1]", "whole number"),
        (#"{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}"#, "header.w.data_offsets[0]", "from 0 up"),
        (#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#, "header.w.shape[0]", "from 0 up"),
        (#"{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}"#, "header.w.shape[0]", "whole number"),
        (#"{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}"#, "header.w.shape[0]", "found a string"),
        (#"{"dtype":"F32","shape":{},"data_offsets":[0,4]}"#, "header.w.shape", "expected an array"),
        (#"{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}"#, "header.w.shape[0]", "fits 63 bits"),
        (#"{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}"#, "header.w", "no size"),
        (#"{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,0]}"#, "header.w", "no size"),
        (#"{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}"#, "header.w", "no size"),
        (#"{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}"#, "header.w", "no size"),
        (#"{"dtype":"F4","shape":[3],"data_offsets":[0,1]}"#, "header.w", "no size in whole bytes"),
        (#"{"dtype":"F33","shape":[1],"data_offsets":[0,4]}"#, "header.w.dtype", "unknown element type F33"),
        (#"{"dtype":4,"shape":[1],"data_offsets":[0,4]}"#, "header.w.dtype", "found 4"),
        (#"{"shape":[1],"data_offsets":[0,4]}"#, "header.w", "no dtype"),
        (#"{"dtype":"F32","data_offsets":[0,4]}"#, "header.w", "no shape"),
        (#"{"dtype":"F32","shape":[1]}"#, "header.w", "no data_offsets"),
        (#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}"#, "header.w.x", "unknown key"),
        (#"{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}"#, "header.w.dtype", "twice"),
        ("[]", "header.w", "expected an object"),
    ])
    func fieldsAreChecked(_ entry: String, _ field: String, _ reason: String) {
        expectRefusal("{\"w\":\(entry)}", data: 8, field: field, reason: reason)
    }

    @Test func ranksAreBounded() {
        let shape = Array(repeating: "1", count: 33).joined(separator: ",")
        expectRefusal(
            "{\"w\":{\"dtype\":\"U8\",\"shape\":[\(shape)],\"data_offsets\":[0,1]}}",
            data: 1,
            field: "header.w.shape[32]",
            reason: "more than 32"
        )
    }

    @Test func namesAndMetadataAreChecked() throws {
        let entry = #"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
        expectRefusal("{\"w\":\(entry),\"w\":\(entry)}", field: "header.w", reason: "twice")
        expectRefusal(#"{"__metadata__":{"a":1}}"#, field: "header.__metadata__.a", reason: "expected a string")
        #expect(try SafetensorsFile(try write(#"{"__metadata__":null}"#)).fileMetadata == [:])
        expectRefusal("{} x", field: "header", reason: "text after the end")
        expectRefusal(
            "{\"w\":" + String(repeating: "{\"a\":", count: 50_000) + "}",
            field: "header",
            reason: "nested deeper"
        )
        let name = try folder.write(
            UInt64(6).littleEndianBytes + [0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A],
            "x.safetensors"
        )
        IdeficsCheckpointsTests.expectRefusal(file: "x.safetensors", field: "header", reason: "not valid UTF-8") {
            _ = try SafetensorsFile(name)
        }
    }

    @Test func unreadableFilesAreNamed() throws {
        let missing = folder.url.appending(path: "none.safetensors")
        #expect(throws: CheckpointError.unreadable(file: missing.path, reason: "No such file or directory")) {
            try SafetensorsFile(missing)
        }
        #expect(throws: CheckpointError.unreadable(file: folder.url.path, reason: "not a regular file")) {
            try SafetensorsFile(folder.url)
        }
        let pointer = try folder.write(Array("version https://git-lfs.github.com/spec/v1\noid".utf8), "p.safetensors")
        let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(pointer) }
        #expect(error?.description.contains("git lfs pull") == true)
    }
}
