// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

@Suite struct FilesTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func readsRegularFilesWithinALimit() throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        let path = try folder.write(bytes, "a").path
        #expect(try Files.read(path, limit: 300_000) == Data(bytes))
        #expect(throws: FileError(path, "read", reason: "larger than 299999 bytes")) {
            try Files.read(path, limit: 299_999)
        }
        #expect(try Files.readIfPresent(folder.path("b"), limit: 1) == nil)
        #expect(try Files.readIfPresent(folder.path("a/b"), limit: 1) == nil)
        #expect(throws: FileError.self) { try Files.read(folder.url.path, limit: 1) }
        #expect(throws: FileError.self) { try Files.read(folder.path("a\0b"), limit: 1) }
    }

    @Test func linksAreFollowedToTheirPlace() throws {
        let file = try folder.write([1], "file").path
        for (name, target) in [
            ("link", "file"), ("far", folder.path("link")), ("later", "sub/none"), ("round", "and"), ("and", "round"),
        ] { try Files.link(folder.path(name), to: target) }
        #expect(try Files.placeBehindLinks(file) == file && Files.placeBehindLinks("none") == "none")
        #expect(try Files.placeBehindLinks(folder.path("far")) == file)
        #expect(try Files.placeBehindLinks(folder.path("later")) == folder.path("sub/none"))
        #expect(throws: FileError.self) { try Files.placeBehindLinks(folder.path("round")) }
        #expect(Files.isSameFile(folder.path("far"), file) && !Files.isSameFile(folder.path("later"), file))
        #expect(
            Files.isPlace(folder.path("none"), in: folder.path("./")) && !Files.isPlace("none", in: folder.path("."))
        )
    }

    /// Pipes tell no size before they end.
    @Test func readsPipesWithinALimit() async throws {
        let path = folder.path("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        for limit in [200_000, 199_999] {
            let writer = Task.detached {
                guard let file = FileHandle(forWritingAtPath: path) else { return }
                try? file.write(contentsOf: Data(repeating: 7, count: 200_000))
                try? file.close()
            }
            if limit == 200_000 {
                #expect(try Files.read(path, limit: limit).count == 200_000)
            } else {
                signal(SIGPIPE, SIG_IGN)
                #expect(throws: FileError.self) { try Files.read(path, limit: limit) }
            }
            await writer.value
        }
    }

    /// What is a link to nothing is not just absent, and only regular files are waited for.
    @Test func regularFilesOnly() throws {
        try FileManager.default.createSymbolicLink(atPath: folder.path("dangling"), withDestinationPath: "gone")
        try FileManager.default.createSymbolicLink(atPath: folder.path("loop"), withDestinationPath: "loop")
        #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
        func url(_ name: String) -> URL { folder.url.appending(path: name) }
        #expect(try Files.readRegularIfPresent(url("none")) == nil && !Files.exists(url("none")))
        for (name, reason) in [
            ("dangling", "link that leads nowhere"), ("loop", "symbolic links"), ("pipe", "not a regular file"),
            (".", "not a regular file"),
        ] {
            #expect(Files.exists(url(name)))
            let error = #expect(throws: FileError.self) { try Files.readRegularIfPresent(url(name)) }
            #expect(error?.reason.contains(reason) == true && error?.path.hasSuffix(name) == true, "\(name)")
        }
        try folder.write([1, 2, 3], "a")
        #expect(try Files.readRegular(url("a"), limit: 3) == Data([1, 2, 3]))
        #expect(throws: FileError.self) { try Files.readRegular(url("a"), limit: 2) }
    }

    @Test func namesLongerThanTheSystemTakes() throws {
        let name = String(repeating: "n", count: 256)
        let error = #expect(throws: FileError.self) { try AtomicFile(path: folder.path(name)) }
        #expect(error?.code == ENAMETOOLONG)
        try AtomicFile.write(Data([1]), toPath: folder.path(String(name.dropLast())))
        #expect(try folder.fileNames == [String(name.dropLast())])
    }

    @Test func atomicFilesLeaveTheOldOneUntilTheyAreWhole() throws {
        let path = try folder.write([1], "a").path
        do {
            let file = try AtomicFile(path: path)
            try Data([2, 3]).withUnsafeBytes { try file.write($0, at: 0) }
            #expect(try Files.read(path, limit: 10) == Data([1]))
        }
        #expect(try folder.fileNames == ["a"])
        try AtomicFile.write(Data([2]), toPath: path)
        #expect(try Files.read(path, limit: 10) == Data([2]))
        #expect(throws: FileError.self) { try AtomicFile.write(Data(), toPath: folder.url.path) }
        #expect(throws: FileError.self) { try AtomicFile.write(Data(), toPath: folder.path("nowhere/a")) }
        #expect(throws: FileError.self) { try AtomicFile.write(Data(), toPath: folder.path("a/b")) }
        #expect(try folder.fileNames == ["a"])
    }

    /// A path is split at bytes, whatever character a slash makes with its neighbours.
    @Test func pathsAreSplitAtBytes() {
        #expect(Files.split("a/b").folder == "a" && Files.split("a/b").name == "b")
        #expect(Files.split("/a").folder == "/" && Files.split("a").folder == ".")
        let (parent, name) = Files.split("a/\u{301}b")
        #expect(parent == "a" && Array(name.utf8) == Array("\u{301}b".utf8))
    }

    @Test func locksKeepOthersOut() async throws {
        let path = folder.path("deep/er/lock")
        let first = try await FileLock.acquire(path)
        #expect(try FileLock.tryAcquire(path) == nil)
        let second = Task { try await FileLock.acquire(path) }
        first.remove()
        #expect(try FileLock.tryAcquire(path) != nil || first.isExclusive)
        withExtendedLifetime(first) {}
        _ = try await second.value
    }
}
