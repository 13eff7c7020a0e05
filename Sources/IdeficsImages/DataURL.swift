// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A `data:` URL (RFC 2397): `data:[<media type>][;base64],<data>`.
///
/// As in browsers, base64 may contain white space and lack its padding, and both alphabets are read; the media type is
/// ignored, since images are told by their first bytes.
enum DataURL {
    /// Whether `text` has the scheme `data`, in any case.
    static func isDataURL(_ text: some StringProtocol) -> Bool {
        text.prefix(5).lowercased() == "data:"
    }

    /// The bytes the URL carries, at most `limits.maxBytes`.
    static func decode(_ text: String, limits: ImageLimits) throws -> Data {
        let bytes = text.utf8
        guard isDataURL(text), let comma = bytes.firstIndex(of: UInt8(ascii: ",")) else {
            throw ImageError.malformedDataURL(reason: "there is no comma before the data")
        }
        let header = bytes[bytes.index(bytes.startIndex, offsetBy: 5)..<comma]
        let payload = bytes[bytes.index(after: comma)...]
        let parameters = header.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        let isBase64 = (parameters.dropFirst().last ?? header.dropFirst(header.count))
            .filter { $0 != UInt8(ascii: " ") }.map { $0 | 0x20 }.elementsEqual("base64".utf8.map { $0 | 0x20 })
        guard isBase64 else {
            // Every byte of the result takes one to three bytes here.
            try limits.check(byteCount: payload.count / 3)
            let data = try percentDecoded(payload)
            try limits.check(byteCount: data.count)
            return data
        }
        try limits.check(byteCount: payload.count / 12 * 3)
        let data = try base64Decoded(payload)
        try limits.check(byteCount: data.count)
        return data
    }

    private static func percentDecoded(_ text: Substring.UTF8View) throws -> Data {
        var data = Data()
        data.reserveCapacity(text.count)
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                data.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexValue), let low = rest.popFirst().flatMap(hexValue) else {
                throw ImageError.malformedDataURL(reason: "% is not followed by two hexadecimal digits")
            }
            data.append(high << 4 | low)
        }
        return data
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    // MARK: - Base64

    private static let padding: UInt8 = 64
    private static let blank: UInt8 = 65
    private static let invalid: UInt8 = 66

    /// The six bits of each character, or one of the three marks above.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: invalid, count: 256)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        for (value, character) in (alphabet + "+/").utf8.enumerated() { values[Int(character)] = UInt8(value) }
        for (value, character) in (alphabet + "-_").utf8.enumerated() { values[Int(character)] = UInt8(value) }
        values[Int(UInt8(ascii: "="))] = padding
        for character in " \t\r\n\u{0C}".utf8 { values[Int(character)] = blank }
        return values
    }()

    private static func base64Decoded(_ text: Substring.UTF8View) throws -> Data {
        // `%2B`, `%2F` and `%3D` are what strict writers of URLs make of base64's +, / and =.
        let characters = text.contains(UInt8(ascii: "%")) ? try percentDecoded(text) : Data(text)
        var data = Data(capacity: characters.count / 4 * 3)
        var bits: UInt32 = 0
        var digits = 0
        var paddings = 0
        for character in characters {
            let value = values[Int(character)]
            if value == blank { continue }
            if value == padding {
                paddings += 1
                continue
            }
            guard value < padding, paddings == 0 else {
                throw ImageError.malformedDataURL(reason: "a character that base64 does not have")
            }
            bits = bits << 6 | UInt32(value)
            digits += 1
            if digits == 4 {
                data.append(contentsOf: [UInt8(bits >> 16 & 255), UInt8(bits >> 8 & 255), UInt8(bits & 255)])
                bits = 0
                digits = 0
            }
        }
        switch digits {
        case 0:
            guard paddings == 0 else { break }
            return data
        case 2:
            guard paddings == 0 || paddings == 2 else { break }
            data.append(UInt8(bits >> 4 & 255))
            return data
        case 3:
            guard paddings <= 1 else { break }
            data.append(contentsOf: [UInt8(bits >> 10 & 255), UInt8(bits >> 2 & 255)])
            return data
        default: break
        }
        throw ImageError.malformedDataURL(reason: "the base64 text has a wrong length")
    }
}
