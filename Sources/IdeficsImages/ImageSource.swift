// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

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
        if let url = URL(string: text), ["http", "https"].contains(url.scheme?.lowercased()) {
            self = .url(url)
        } else if let file = URL(localFileURL: text) {
            self = .file(file)
        } else if let folder, !text.hasPrefix("/") {
            self = .file(folder.appending(path: text))
        } else {
            self = .file(URL(localPath: text))
        }
    }

    /// Reads or fetches the image and decodes it.
    ///
    /// Throws ``ImageError`` (wrapped in ``ImageError/image(named:_:)`` with the path or address) or whatever `fetcher`
    /// throws. `conversion` defaults to ``ImageConversion/url``, as in the reference, for URLs of every scheme, and to
    /// ``ImageConversion/upright`` for files and data: they show what a viewer shows. Runs off the caller's actor, as
    /// decoding may take a while.
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
            return try ImageDecoder.decode(data, limits: limits, conversion: conversion ?? .upright)
        case .file(let url):
            return try Self.naming(url.path) {
                let data = try Self.read(url, limits: limits)
                return try ImageDecoder.decode(data, limits: limits, conversion: conversion ?? .upright)
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
        // Links are followed (the Hub cache consists of them); a pipe or device would have no end.
        guard let status = Files.status(url.path) else {
            throw ImageError.unreadableFile(path: url.path, reason: "there is no such file")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ImageError.unreadableFile(path: url.path, reason: "it is not a regular file")
        }
        try limits.check(byteCount: Int(status.st_size))
        do {
            return try Files.read(url.path, limit: limits.maxBytes)
        } catch let error as FileError {
            throw ImageError.unreadableFile(path: url.path, reason: error.reason)
        }
    }
}
