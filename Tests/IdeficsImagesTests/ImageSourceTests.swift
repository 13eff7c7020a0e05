// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import IdeficsTestSupport
import Testing

struct ImageSourceTests {
    private struct StubFetcher: ImageFetcher {
        var data = Data()
        var failure: (any Error & Sendable)?

        func fetch(_ url: URL) async throws -> Data {
            if let failure { throw failure }
            return data
        }
    }

    private struct Unreachable: Error {}

    private let path = "processor/images/rgba.png"

    private func image(_ conversion: ImageConversion) throws -> RGBImage {
        try ImageDecoder.decode(Fixtures.data(path), conversion: conversion)
    }

    @Test func loadsFromEverywhere() async throws {
        let data = try Fixtures.data(path)
        let object = try image(.object)
        let upright = try image(.url)
        #expect(object != upright)
        let web = try #require(URL(string: "https://example.com/a.png"))
        let fetcher = StubFetcher(data: data)
        let text = "data:image/png;base64,\(data.base64EncodedString())"
        #expect(try await ImageSource.file(Fixtures.url(path)).load() == object)
        #expect(try await ImageSource.file(Fixtures.url(path)).load(conversion: .url) == upright)
        #expect(try await ImageSource.data(data).load() == object)
        #expect(try await ImageSource.image(object).load() == object)
        #expect(try await ImageSource.url(web).load(fetcher: fetcher) == upright)
        #expect(try await ImageSource.url(web).load(conversion: .object, fetcher: fetcher) == object)
        #expect(try await ImageSource.dataURL(text).load() == upright)
        #expect(try await ImageSource.url(#require(URL(string: text))).load() == upright)
    }

    /// A phone's photograph is upright wherever it is from; pixels a caller decoded are as the caller made them.
    @Test(arguments: ["exif2.jpg", "exif6.jpg", "exif8.png", "exif6.webp"])
    func picturesAreTurnedUpright(name: String) async throws {
        let url = Fixtures.url("images-extra/\(name)")
        let data = try Data(contentsOf: url)
        let upright = try ImageDecoder.decode(data, conversion: .upright)
        #expect(try upright != ImageDecoder.decode(data, conversion: .object))
        #expect(try upright == ImageDecoder.decode(data, conversion: .url))
        #expect(try await ImageSource.file(url).load() == upright)
        #expect(try await ImageSource.data(data).load() == upright)
        #expect(try await ImageSource("data:;base64,\(data.base64EncodedString())").load() == upright)
    }

    @Test func namesWhatFailed() async throws {
        let web = try #require(URL(string: "https://example.com/a.png"))
        await #expect(throws: ImageError.noFetcher(url: "https://example.com/a.png")) {
            try await ImageSource.url(web).load()
        }
        await #expect(throws: Unreachable.self) {
            try await ImageSource.url(web).load(fetcher: StubFetcher(failure: Unreachable()))
        }
        await #expect(throws: ImageError.image(named: "https://example.com/a.png", .unknownFormat(prefix: [60]))) {
            try await ImageSource.url(web).load(fetcher: StubFetcher(data: Data("<".utf8)))
        }
        for address in ["file:///etc/passwd", "ftp://example.com/a.png", "a.png"] {
            let url = try #require(URL(string: address))
            await #expect(throws: ImageError.unsupportedURL(address)) {
                try await ImageSource.url(url).load(fetcher: StubFetcher())
            }
        }
        await #expect(throws: ImageError.unsupportedURL("https://example.com/a.png")) {
            do {
                _ = try await ImageSource.file(web).load()
            } catch ImageError.image(_, let error) {
                throw error
            }
        }
    }

    @Test func refusesUnreadableFiles() async throws {
        func failure(_ url: URL, _ limits: ImageLimits = ImageLimits()) async -> ImageError? {
            do {
                _ = try await ImageSource.file(url).load(limits: limits)
                return nil
            } catch ImageError.image(let name, let error) where name == url.path {
                return error
            } catch {
                return nil
            }
        }
        let missing = Fixtures.url("no-such-file.png")
        #expect(await failure(missing) == .unreadableFile(path: missing.path, reason: "there is no such file"))
        let folder = Fixtures.url("processor")
        #expect(await failure(folder) == .unreadableFile(path: folder.path, reason: "it is not a regular file"))
        let device = URL(filePath: "/dev/zero")
        #expect(await failure(device) == .unreadableFile(path: "/dev/zero", reason: "it is not a regular file"))
        let file = Fixtures.url(path)
        let size = try Fixtures.data(path).count
        #expect(await failure(file, ImageLimits(maxBytes: 100)) == .tooManyBytes(count: size, limit: 100))
        let text = Fixtures.url("README.md")
        #expect(await failure(text) == .unknownFormat(prefix: Array("# IDEFIC".utf8)))
    }

    @Test func followsLinks() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "idefics-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let link = folder.appending(path: "link")
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: Fixtures.url(path))
        #expect(try await ImageSource.file(link).load() == image(.object))
    }

    @Test func understandsWhatPeopleType() throws {
        #expect(try ImageSource("https://a.b/c.png") == .url(#require(URL(string: "https://a.b/c.png"))))
        #expect(try ImageSource("HTTP://a.b/c.png") == .url(#require(URL(string: "HTTP://a.b/c.png"))))
        #expect(ImageSource("DATA:,x") == .dataURL("DATA:,x"))
        #expect(ImageSource("/tmp/a b.png") == .file(URL(filePath: "/tmp/a b.png")))
        #expect(ImageSource("pictures/a%20b.png") == .file(URL(filePath: "pictures/a%20b.png")))
        #expect(ImageSource("file:///tmp/a%20b.png") == .file(URL(filePath: "/tmp/a b.png")))
        #expect(ImageSource("FILE:///tmp/a.png") == .file(URL(filePath: "/tmp/a.png")))
        let folder = URL(filePath: "/set/one")
        #expect(ImageSource("a b.png", relativeTo: folder) == .file(URL(filePath: "/set/one/a b.png")))
        #expect(ImageSource("/a.png", relativeTo: folder) == .file(URL(filePath: "/a.png")))
        #expect(ImageSource("FILE:///a.png", relativeTo: folder) == .file(URL(filePath: "/a.png")))
        #expect(try ImageSource("HTTPS://a.b/c", relativeTo: folder) == .url(#require(URL(string: "HTTPS://a.b/c"))))
    }

    // MARK: - data: URLs

    /// What decoding the payload gives, as the prefix an unknown format is reported with.
    private func payload(_ text: String, limits: ImageLimits = ImageLimits()) async throws -> [UInt8] {
        do {
            _ = try await ImageSource.dataURL(text).load(limits: limits)
        } catch ImageError.image("data: URL", .unknownFormat(let prefix)) {
            return prefix
        } catch ImageError.image("data: URL", let error) {
            throw error
        }
        return []
    }

    @Test(arguments: [
        ("data:,hello", "hello"), ("data:text/plain,a%20b%2C", "a b,"), ("data:;charset=utf-8,%41", "A"),
        ("data:,", ""),
        ("data:;base64,aGVsbG8=", "hello"), ("data:;base64,aGVsbG8", "hello"),
        ("DATA:image/png;x=y;BASE64,aGV sbG8=\n", "hello"),
        ("data:;base64,aGVs%62G8%3D", "hello"), ("data:;base64,", ""), ("data:;base64,Pz8/Pj4+", "???>>>"),
        ("data:;base64,Pz8_Pj4-", "???>>>"), ("data:base64,YQ==", "YQ=="), ("data:;base64;x,YQ==", "YQ=="),
    ])
    func readsDataURLs(text: String, expected: String) async throws {
        #expect(try await payload(text) == Array(expected.utf8))
    }

    @Test(arguments: [
        "data:", "data:image/png;base64", "data:,%", "data:,%4", "data:,%4G", "data:;base64,YQ=", "data:;base64,Y",
        "data:;base64,YQ===", "data:;base64,====", "data:;base64,YWJj=", "data:;base64,YQ==YQ==", "data:;base64,YQ!=",
        "data:;base64,\u{1F642}", "data:;base64,%ZZ", "data:;base64,YWI==",
    ])
    func refusesMalformedDataURLs(text: String) async throws {
        await #expect {
            try await payload(text)
        } throws: {
            if case .malformedDataURL(let reason) = $0 as? ImageError { !reason.isEmpty } else { false }
        }
    }

    @Test func limitsDataURLs() async throws {
        let limits = ImageLimits(maxBytes: 6)
        #expect(try await payload("data:;base64,aGVsbG8h", limits: limits) == Array("hello!".utf8))
        #expect(try await payload("data:,%68%65%6C%6C%6F%21", limits: limits) == Array("hello!".utf8))
        for text in ["data:;base64,aGVsbG8hIQ==", "data:,hello!!", "data:," + String(repeating: "x", count: 1000)] {
            await #expect {
                try await payload(text, limits: limits)
            } throws: {
                if case .tooManyBytes = $0 as? ImageError { true } else { false }
            }
        }
    }

    @Test func survivesMutatedDataURLs() async throws {
        var random = SeededGenerator(seed: 11)
        let alphabet = Array("data:;base64,=%+/-_AZaz09 \n\u{e9}")
        for _ in 0..<2000 {
            var text = Array("data:image/png;base64,iVBORw0KGgo=")
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let offset = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text[offset] = alphabet.randomElement(using: &random) ?? "x"
                case 1: text.insert(alphabet.randomElement(using: &random) ?? "x", at: offset)
                default: text.remove(at: offset)
                }
            }
            await #expect(throws: ImageError.self) { try await ImageSource.dataURL(String(text)).load() }
        }
    }
}
