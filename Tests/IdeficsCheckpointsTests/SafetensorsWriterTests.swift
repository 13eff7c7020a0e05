// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

@Suite struct SafetensorsWriterTests {
    private let folder: TemporaryFolder
    private let url: URL

    init() throws {
        folder = try TemporaryFolder()
        url = folder.url.appending(path: "out.safetensors")
    }

    private func expectUnwritable(
        _ reason: String,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> Void
    ) {
        let error = #expect(throws: CheckpointError.self, sourceLocation: sourceLocation) { try body() }
        guard case .unwritable(_, let found) = error else {
            Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
        #expect(found.contains(reason), sourceLocation: sourceLocation)
    }

    @Test func writesWhatTheOfficialLibraryWrites() throws {
        let official = Fixtures.url("checkpoints/kinds.safetensors")
        let file = try SafetensorsFile(official)
        var tensors: [String: Tensor] = [:]
        for name in file.tensorNames { tensors[name] = try file.tensor(named: name) }
        try SafetensorsWriter.write(tensors, metadata: file.fileMetadata, to: url)
        #expect(try Data(contentsOf: url) == Data(contentsOf: official))
        #expect(try folder.fileNames == ["out.safetensors"])
    }

    @Test func writesWhatTransformersWrote() throws {
        let official = Fixtures.url("f6-bf16/model.safetensors")
        let file = try SafetensorsFile(official)
        var tensors: [String: Tensor] = [:]
        for name in file.tensorNames { tensors[name] = try file.tensor(named: name) }
        try SafetensorsWriter.write(tensors, metadata: file.fileMetadata, to: url)
        #expect(try Data(contentsOf: url) == Data(contentsOf: official))
    }

    @Test func piecesMayComeInAnyOrder() throws {
        let writer = try SafetensorsWriter(
            url,
            tensors: [
                .init(name: "b", dtype: .u8, shape: [4]), .init(name: "a", dtype: .f32, shape: [1]),
                .init(name: "none", dtype: .i64, shape: [0, 2]), .init(name: "c", dtype: .u8, shape: [1]),
            ]
        )
        func append(_ bytes: [UInt8], _ name: String) throws {
            try bytes.withUnsafeBytes { try writer.append($0, to: name) }
        }
        try append([1], "b")
        try append([9], "c")
        try append([2, 3], "b")
        try append([0, 0, 128], "a")
        try append([4], "b")
        #expect(!FileManager.default.fileExists(atPath: url.path))
        expectUnwritable("a is not complete") { try writer.finish() }
        try append([63], "a")
        try append([], "none")
        try writer.finish()
        let file = try SafetensorsFile(url)
        #expect(try file.tensor(named: "a").floatArray() == [1])
        #expect(try file.tensor(named: "b").intArray() == [1, 2, 3, 4])
        #expect(try file.tensor(named: "c").intArray() == [9])
        #expect(file.tensorNames.allSatisfy { file.metadata(named: $0)?.isMapped == true })
        #expect(try folder.fileNames == ["out.safetensors"])
    }

    /// What asks for an alignment begins at a multiple of it in the file, whatever else there is; nothing lies between.
    @Test(arguments: 0..<70) func alignedTensorsBeginWhereTheyAsk(nameLength: Int) throws {
        let long = String(repeating: "n", count: nameLength)  // the header takes every length
        let writer = try SafetensorsWriter(
            url,
            tensors: [
                .init(name: "norm\(long)", dtype: .f32, shape: [3]), .init(name: "odd", dtype: .u8, shape: [5]),
                .init(name: "b.codes", dtype: .u8, shape: [128], alignment: 64),
                .init(name: "b.scales", dtype: .bf16, shape: [7]),
                .init(name: "a.codes", dtype: .u8, shape: [192], alignment: 64),
            ]
        )
        for (name, byteCount) in [
            ("a.codes", 192), ("b.codes", 128), ("b.scales", 14), ("norm\(long)", 12), ("odd", 5),
        ] {
            let bytes = Array(repeating: UInt8(ascii: name.unicodeScalars.first ?? "x"), count: byteCount)
            try bytes.withUnsafeBytes { try writer.append($0, to: name) }
        }
        try writer.finish()
        // The reader checks that there are no holes.
        let file = try SafetensorsFile(url)
        let whole = try Data(contentsOf: url)
        for name in ["a.codes", "b.codes"] {
            let expected = try file.tensor(named: name).withUnsafeBytes { Data($0) }
            let place = try #require(whole.range(of: expected))
            #expect(place.lowerBound % 64 == 0, "\(name) at \(place.lowerBound)")
        }
        #expect(try file.tensor(named: "norm\(long)").shape == [3])
        #expect(file.tensorNames.allSatisfy { file.metadata(named: $0)?.isMapped == true })
    }

    @Test func namesWithOddCharactersSurvive() throws {
        let names = ["", "\"", "\\", "\n\r\t\u{8}\u{C}\u{0}\u{1F}\u{7F}", "\u{E9}\u{1F600}", "a.b/c"]
        let tensors = Dictionary(uniqueKeysWithValues: names.map { ($0, Tensor([1.0], shape: [])) })
        try SafetensorsWriter.write(tensors, metadata: ["\n": "\"x\""], to: url)
        let file = try SafetensorsFile(url)
        #expect(file.tensorNames == names.sorted())
        #expect(file.fileMetadata == ["\n": "\"x\""])
    }

    @Test func wrongUseIsRefused() throws {
        expectUnwritable("two tensors named a") {
            _ = try SafetensorsWriter(
                url,
                tensors: [.init(name: "a", dtype: .u8, shape: []), .init(name: "a", dtype: .f32, shape: [])]
            )
        }
        expectUnwritable("two tensors named __metadata__") {
            _ = try SafetensorsWriter(url, tensors: [.init(name: "__metadata__", dtype: .u8, shape: [])])
        }
        expectUnwritable("is too large") {
            _ = try SafetensorsWriter(url, tensors: [.init(name: "a", dtype: .f32, shape: [.max, 2])])
        }
        let writer = try SafetensorsWriter(url, tensors: [.init(name: "a", dtype: .u8, shape: [2])])
        let bytes: [UInt8] = [1, 2, 3]
        expectUnwritable("room for 2 more bytes, not 3") {
            try bytes.withUnsafeBytes { try writer.append($0, to: "a") }
        }
        expectUnwritable("b was not declared") { try bytes.withUnsafeBytes { try writer.append($0, to: "b") } }
    }

    // MARK: - What was there before

    @Test func anAbandonedFileLeavesNothing() throws {
        try folder.write([7], "out.safetensors")
        do {
            let writer = try SafetensorsWriter(url, tensors: [.init(name: "a", dtype: .u8, shape: [2])])
            #expect(try folder.fileNames.count == 2)
            _ = writer
        }
        #expect(try folder.fileNames == ["out.safetensors"])
        #expect(try Data(contentsOf: url) == Data([7]))
    }

    @Test func replacesAFileThatIsMapped() throws {
        try SafetensorsWriter.write(["a": Tensor([1.0, 2], shape: [2])], to: url)
        let old = try SafetensorsFile(url).tensor(named: "a")
        try SafetensorsWriter.write(["a": Tensor([3.0], shape: [1])], to: url)
        #expect(old.floatArray() == [1, 2])
        #expect(try SafetensorsFile(url).tensor(named: "a").floatArray() == [3])
    }

    @Test func onlyRegularFilesAreReplaced() throws {
        let tensors = ["a": Tensor([1.0], shape: [1])]
        expectUnwritable("not a regular file") { try SafetensorsWriter.write(tensors, to: folder.url) }
        expectUnwritable("not a regular file") {
            try SafetensorsWriter.write(tensors, to: URL(filePath: "/dev/full"))
        }
        expectUnwritable("No such file or directory") {
            try SafetensorsWriter.write(tensors, to: folder.url.appending(path: "none/out.safetensors"))
        }
    }

    @Test func aFullDiskLeavesTheOldFileWhole() throws {
        try folder.write([7], "out.safetensors")
        // A limit on file sizes fails as a full disk does: a write comes back short, the next one with an error.
        // The limit is far above what other tests write meanwhile.
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit()
        #expect(getFileSizeLimit(&limit) == 0)
        var small = limit
        small.rlim_cur = 48 << 20
        #expect(setFileSizeLimit(&small) == 0)
        defer { _ = setFileSizeLimit(&limit) }
        let piece: [UInt8] = Array(repeating: 1, count: 32 << 20)
        expectUnwritable("File too large") {
            let writer = try SafetensorsWriter(url, tensors: [.init(name: "a", dtype: .u8, shape: [64 << 20])])
            try piece.withUnsafeBytes { try writer.append($0, to: "a") }
            try piece.withUnsafeBytes { try writer.append($0, to: "a") }
        }
        #expect(try folder.fileNames == ["out.safetensors"])
        #expect(try Data(contentsOf: url) == Data([7]))
    }
}

#if canImport(Glibc)
private func getFileSizeLimit(_ limit: inout rlimit) -> Int32 { getrlimit(__rlimit_resource_t(1), &limit) }
private func setFileSizeLimit(_ limit: inout rlimit) -> Int32 { setrlimit(__rlimit_resource_t(1), &limit) }
#else
private func getFileSizeLimit(_ limit: inout rlimit) -> Int32 { getrlimit(RLIMIT_FSIZE, &limit) }
private func setFileSizeLimit(_ limit: inout rlimit) -> Int32 { setrlimit(RLIMIT_FSIZE, &limit) }
#endif
