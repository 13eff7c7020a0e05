// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// Where an image comes from.
public enum ImageSource: Sendable, Equatable {
    /// A local file.
    case file(URL)
    /// An encoded image in memory.
    case data(Data)
    /// An `http`, `https` or `data` URL; nothing else, so a URL in a request cannot name a local file.
    case url(URL)
    /// A `data:` URL as text, which spares `URL` a string of megabytes.
    case dataURL(String)
    /// Pixels that are already decoded.
    case image(RGBImage)

    /// The source a user means by `text`: an `http`, `https`, `data` or `file` URL, the scheme in any case, else the path
    /// of a file.
    ///
    /// For text from a person at this machine. Do not use it on text from strangers: it may name any file.
    ///
    /// - Parameters:
    ///   - text: a URL or path.
    ///   - folder: where a relative path begins; nil for the working directory.
    public init(_ text: String, relativeTo folder: URL? = nil) {
        if DataURL.isDataURL(text) {
            self = .dataURL(text)
            return
        }
        let url = URL(string: text)
        switch url?.scheme?.lowercased() {
        case "http", "https": if let url { self = .url(url) } else { self = .file(URL(filePath: text)) }
        case "file": self = .file(URL(filePath: url?.path(percentEncoded: false) ?? text))
        default:
            let isRelative = !text.hasPrefix("/")
            self = .file(isRelative ? folder?.appending(path: text) ?? URL(filePath: text) : URL(filePath: text))
        }
    }

    /// Reads or fetches the image and decodes it.
    ///
    /// Throws ``ImageError`` (wrapped in ``ImageError/image(named:_:)`` with the path or address) or whatever `fetcher`
    /// throws. `conversion` defaults to what the reference does: ``ImageConversion/url`` for URLs of every scheme,
    /// ``ImageConversion/object`` for files and data. Runs off the caller's actor, as decoding may take a while.
    @concurrent
    public func load(
        limits: ImageLimits = ImageLimits(),
        conversion: ImageConversion? = nil,
        fetcher: (any ImageFetcher)? = nil
    ) async throws -> RGBImage {
        switch self {
        case .image(let image):
            return image
        case .data(let data):
            return try ImageDecoder.decode(data, limits: limits, conversion: conversion ?? .object)
        case .file(let url):
            return try Self.naming(url.path) {
                let data = try Self.read(url, limits: limits)
                return try ImageDecoder.decode(data, limits: limits, conversion: conversion ?? .object)
            }
        case .dataURL(let text):
            return try Self.naming("data: URL") {
                let data = try DataURL.decode(text, limits: limits)
                return try ImageDecoder.decode(data, limits: limits, conversion: conversion ?? .url)
            }
        case .url(let url):
            let address = url.absoluteString
            if DataURL.isDataURL(address) {
                return try await Self.dataURL(address).load(limits: limits, conversion: conversion, fetcher: fetcher)
            }
            guard ["http", "https"].contains(url.scheme?.lowercased()) else { throw ImageError.unsupportedURL(address) }
            guard let fetcher else { throw ImageError.noFetcher(url: address) }
            let data = try await fetcher.fetch(url)
            return try Self.naming(address) {
                try ImageDecoder.decode(data, limits: limits, conversion: conversion ?? .url)
            }
        }
    }

    private static func naming(_ name: String, _ body: () throws -> RGBImage) throws -> RGBImage {
        do {
            return try body()
        } catch let error as ImageError {
            throw ImageError.image(named: name, error)
        }
    }

    private static func read(_ url: URL, limits: ImageLimits) throws -> Data {
        guard url.isFileURL else { throw ImageError.unsupportedURL(url.absoluteString) }
        do {
            // Links are followed (the Hub cache consists of them); a pipe or device would have no end.
            let file = url.resolvingSymlinksInPath()
            let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
            guard attributes[.type] as? FileAttributeType == .typeRegular else {
                throw ImageError.unreadableFile(path: url.path, reason: "it is not a regular file")
            }
            if let size = attributes[.size] as? NSNumber { try limits.check(byteCount: size.intValue) }
            return try Data(contentsOf: file)
        } catch let error as ImageError {
            throw error
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
            throw ImageError.unreadableFile(path: url.path, reason: "there is no such file")
        } catch {
            throw ImageError.unreadableFile(path: url.path, reason: error.localizedDescription)
        }
    }
}
