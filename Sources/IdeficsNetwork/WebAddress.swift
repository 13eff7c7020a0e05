// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import IdeficsFoundation

/// An absolute http or https URL, taken apart by curl's own parser.
///
/// Using the parser that later makes the connection means that no check here can be fooled by two parsers reading one
/// text differently.
struct WebAddress: Equatable, Sendable {
    /// The normalized URL, without fragment, that is given to curl.
    let text: String
    /// `http` or `https`.
    let scheme: String
    /// The host in lower case.
    let host: String
    /// The port, also when the text leaves it out.
    let port: String

    /// Parses `text`, relative to `base` if there is one.
    init(_ text: String, relativeTo base: WebAddress? = nil) throws {
        guard !text.isEmpty, text.utf8.count <= 16384, !text.utf8.contains(where: { $0 < 32 || $0 == 127 }) else {
            throw NetworkError.invalidURL(describe(text), reason: "empty, too long or with control characters")
        }
        guard let parts = curl_url() else {
            throw NetworkError.invalidURL(describe(text), reason: "out of memory")
        }
        defer { curl_url_cleanup(parts) }
        let lenient = UInt32(CURLU_NON_SUPPORT_SCHEME) | UInt32(CURLU_URLENCODE) | UInt32(CURLU_ALLOW_SPACE)
        if let base { curl_url_set(parts, CURLUPART_URL, base.text, 0) }
        let code = curl_url_set(parts, CURLUPART_URL, text, lenient)
        guard code == CURLUE_OK else {
            throw NetworkError.invalidURL(describe(text), reason: String(cString: curl_url_strerror(code)))
        }
        let scheme = (Self.part(parts, CURLUPART_SCHEME) ?? "").lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw NetworkError.schemeNotAllowed(url: describe(text), scheme: printable(scheme))
        }
        curl_url_set(parts, CURLUPART_FRAGMENT, nil, 0)
        guard let host = Self.part(parts, CURLUPART_HOST), !host.isEmpty,
            let port = Self.part(parts, CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT)),
            let text = Self.part(parts, CURLUPART_URL)
        else { throw NetworkError.invalidURL(describe(text), reason: "no host") }
        self.text = text
        self.scheme = scheme
        self.host = host.lowercased()
        self.port = port
    }

    /// True if credentials meant for `other` may be sent here.
    func hasSameOrigin(as other: WebAddress) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }

    /// True if the host is this machine, as written.
    var isLoopback: Bool { host == "localhost" || host == "[::1]" || host.hasPrefix("127.") }

    private static func part(_ parts: OpaquePointer, _ which: CURLUPart, _ flags: UInt32 = 0) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(parts, which, &text, flags) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}

/// The URL for an error message: without credentials, query and fragment, which may hold secrets.
package func describe(_ url: String) -> String {
    // Bytes, as curl reads it: a character may be one of these together with what stands beside it.
    var text = Array(url.utf8.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
    if let start = text.firstRange(of: Array("://".utf8))?.upperBound {
        let authority = text[start...].prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") }
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { text.removeSubrange(start...at) }
    }
    return printable(String(decoding: text, as: UTF8.self))
}
