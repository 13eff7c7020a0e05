// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import Testing

/// Files, and what is read like one.
@Suite struct ByteStreamTests {
    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "stream-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    @Test func aPipeIsReadLikeAFile() throws {
        let pipe = Pipe()
        let path = "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)"
        try pipe.fileHandleForWriting.write(contentsOf: Data("one\ntwo".utf8))
        try pipe.fileHandleForWriting.close()
        let stream = try ByteStream(path: path)
        #expect(stream.byteCount == nil)
        #expect(stream.folder.standardizedFileURL.path == FileManager.default.currentDirectoryPath)
        #expect(try stream.readAll(limit: 7) == Data("one\ntwo".utf8))
    }

    @Test func whatIsTooLargeOrNotThereIsRefused() throws {
        try withFolder { folder in
            let file = folder.appending(path: "f")
            try Data(count: 200_000).write(to: file)
            #expect(try ByteStream.readAll(file.path, limit: 200_000).count == 200_000)
            #expect(throws: FileError.self) { try ByteStream.readAll(file.path, limit: 199_999) }
            #expect(throws: FileError.self) { try ByteStream.readAll("/dev/zero", limit: 100_000) }
            #expect(throws: FileError.self) { try ByteStream.readAll(folder.path, limit: 10) }
            #expect(throws: FileError.self) { try ByteStream.readAll(folder.appending(path: "none").path, limit: 10) }
            #expect(try ByteStream(path: file.path).folder.path == folder.path)
        }
    }

    @Test func linesAreCountedAndBlankOnesLeftOut() throws {
        try withFolder { folder in
            let file = folder.appending(path: "f")
            let long = String(repeating: "x", count: 150_000)
            try Data("a\n \t\r\n\(long)\r\n\nlast".utf8).write(to: file)
            let lines = LineReader(try ByteStream(path: file.path))
            var found: [(Int, Int)] = []
            while let line = try lines.next() { found.append((line.number, line.text.count)) }
            #expect(found.map(\.0) == [1, 3, 5])
            #expect(found.map(\.1) == [1, 150_001, 4])
            #expect(lines.byteCount == 150_013)
        }
    }

    @Test func everyPlaceOfAFileCanBeRead() throws {
        try withFolder { folder in
            let url = folder.appending(path: "a")
            try Data([1, 2, 3, 4]).write(to: url)
            let stream = try ByteStream(path: url.path)
            #expect(stream.isSeekable)
            #expect(try stream.read(at: 1, count: 2) == [2, 3])
            // Fewer where it ends; and those who read on begin where they were.
            #expect(try stream.read(at: 3, count: 9) == [4])
            #expect(try stream.read(at: 9, count: 1) == [])
            #expect(try stream.read(upTo: 9) == [1, 2, 3, 4])
        }
    }

    @Test func whatCanBeReadOnceIsCopied() throws {
        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data([1, 2, 3]))
        try pipe.fileHandleForWriting.close()
        let stream = try ByteStream(path: "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)")
        #expect(!stream.isSeekable)
        let copy = try ByteStream(copyOf: stream)
        #expect(copy.isSeekable && copy.byteCount == 3)
        #expect(try copy.read(at: 2, count: 1) == [3])
        #expect(try copy.read(at: 0, count: 3) == [1, 2, 3])
        #expect(copy.path == stream.path)
    }

    @Test func aByteOrderMarkIsNoPartOfALine() throws {
        try withFolder { folder in
            let file = folder.appending(path: "f")
            try Data([0xEF, 0xBB, 0xBF] + "a\n\n\u{FEFF}b".utf8).write(to: file)
            func read(keepsBlankLines: Bool) throws -> [String] {
                let lines = LineReader(try ByteStream(path: file.path), keepsBlankLines: keepsBlankLines)
                var found: [String] = []
                while let line = try lines.next() { found.append(String(decoding: line.text, as: UTF8.self)) }
                #expect(lines.byteCount == 10)
                return found
            }
            #expect(try read(keepsBlankLines: true) == ["a", "", "\u{FEFF}b"])
            #expect(try read(keepsBlankLines: false) == ["a", "\u{FEFF}b"])
        }
    }
}
