// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
public import IdeficsNetwork

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Where the hub and its cache are, and how to ask it.
///
/// From the environment, with the names and defaults of `huggingface_hub`:
/// `HF_HUB_CACHE` (else `$HF_HOME/hub`, else `$XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`),
/// `HF_TOKEN` (else the file `$HF_TOKEN_PATH`, else `$HF_HOME/token`), `HF_ENDPOINT`, `HF_HUB_OFFLINE`,
/// `HF_HUB_DISABLE_SYMLINKS`. Paths may hold `~` and variables.
public struct HubConfiguration: Sendable {
    /// The cache's folder.
    public var cacheDirectory: URL
    /// The hub's address, without a slash at the end.
    public var endpoint: URL
    /// The access token; never printed, and sent to the endpoint's origin only.
    public var token: String?
    /// True to use the cache only.
    public var isOffline: Bool
    /// False to put files themselves into snapshots, as on file systems without symbolic links.
    public var usesSymbolicLinks = true
    /// Largest number of files downloaded at once.
    public var maxConcurrentDownloads = 4
    /// How often and when failed requests are repeated.
    public var retry = RetryPolicy()
    /// Limits for the hub's small answers.
    public var requestLimits = HTTPLimits.api
    /// Limits for files.
    public var downloadLimits = HTTPLimits.download

    /// Reads the settings of an environment.
    ///
    /// - Parameter environment: Names and values; nil for those of the process.
    /// - Throws: `HubError.invalidSetting`.
    public init(environment: [String: String]? = nil) throws {
        let environment = environment ?? PathBytes.environment
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        func isTrue(_ text: String?) -> Bool { ["1", "ON", "YES", "TRUE"].contains(text?.uppercased()) }
        func path(_ text: String) -> String {
            var path = Files.expanded(text, environment: environment)
            while path.utf8.count > 1, path.unicodeScalars.last == "/" { path.unicodeScalars.removeLast() }
            return path
        }

        let caches = value("XDG_CACHE_HOME").map(path) ?? path("~/.cache")
        let home = value("HF_HOME").map(path) ?? caches + "/huggingface"
        let hub = value("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE").map(path) ?? home + "/hub"
        cacheDirectory = URL(localPath: hub, isDirectory: true)

        var address = value("HF_ENDPOINT") ?? "https://huggingface.co"
        while address.hasSuffix("/") { address.removeLast() }
        guard let endpoint = URL(string: address), ["http", "https"].contains(endpoint.scheme?.lowercased()),
            endpoint.host()?.isEmpty == false, endpoint.query == nil, endpoint.fragment == nil
        else {
            throw HubError.invalidSetting(name: "HF_ENDPOINT", reason: "\(describe(address)) is not an http(s) URL")
        }
        self.endpoint = endpoint
        isOffline = isTrue(value("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))

        usesSymbolicLinks = !isTrue(environment["HF_HUB_DISABLE_SYMLINKS"])

        var token = value("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
        if token == nil, !isTrue(environment["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) {
            let file = value("HF_TOKEN_PATH").map(path) ?? home + "/token"
            guard !Files.isPipe(file) else {
                throw HubError.invalidSetting(
                    name: value("HF_TOKEN_PATH") == nil ? "HF_HOME" : "HF_TOKEN_PATH",
                    reason: "\(printable(file)) is a pipe, not a file with a token"
                )
            }
            token = (try? Files.read(file, limit: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
        }
        token = token?.trimmingWhitespace
        guard token?.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) != false else {
            throw HubError.invalidSetting(name: "HF_TOKEN", reason: "the token holds spaces or control characters")
        }
        self.token = token?.isEmpty == true ? nil : token
    }
}

extension String {
    /// The text without white space around it.
    fileprivate var trimmingWhitespace: String {
        guard let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(self[...last].drop { $0.isWhitespace })
    }
}
