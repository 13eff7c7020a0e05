// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import Testing

@Suite struct JSONScannerTests {
    private func skip(_ text: String) throws {
        try Array(text.utf8).withUnsafeBytes { bytes in
            var json = JSONScanner(bytes, file: "f", root: "root")
            try json.skipValue()
            try json.finish()
        }
    }

    private func string(_ bytes: [UInt8]) throws -> String {
        try bytes.withUnsafeBytes { bytes in
            var json = JSONScanner(bytes, file: "f", root: "root")
            let text = try json.string()
            try json.finish()
            return text
        }
    }

    @Test(arguments: [
        "null", "true", " false ", "0", "-0", "-1.5e+10", "1E-2", "\"\"", "[]", "{}", "[1,2]", "[[],[{}]]",
        "{\"a\":{\"b\":[null]},\"c\":1}", "\t{\r\n\"a\" : 1 }\n", "\"\\u0000\\ud83d\\ude00\\\"\\/\\b\"",
        String(repeating: "[", count: 64) + String(repeating: "]", count: 64),
    ])
    func acceptsJSON(_ text: String) throws {
        try skip(text)
    }

    @Test(arguments: [
        "", " ", "nul", "True", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "[",
        "]",
        "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
        "{,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "1 2", "[] []", "\"", "\"a",
        "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"",
        "'a'", "/* */1", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "\u{FEFF}1",
        String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
        String(repeating: "[", count: 100_000), String(repeating: "{\"a\":", count: 100_000),
        String(repeating: "1", count: 1000),
    ])
    func refusesWhatIsNotStrictJSON(_ text: String) {
        #expect(throws: CheckpointError.self) { try skip(text) }
    }

    @Test func resolvesEscapes() throws {
        #expect(try string(Array(#""a\u00e9\n\ud83d\ude00\\""#.utf8)) == "a\u{E9}\n\u{1F600}\\")
    }

    @Test(arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF5, 0x80, 0x80, 0x80]])
    func refusesBadUTF8(_ bytes: [UInt8]) {
        for escape in ["", "\\n"] {
            expectRefusal(file: "f", field: "root", reason: "not UTF-8") {
                _ = try string([0x22] + Array(escape.utf8) + bytes + [0x22])
            }
        }
    }

    @Test func namesThePathOfTheDefect() {
        expectRefusal(file: "f", field: "root.a[1][\"b.c\"]", reason: "expected a value, found byte 120") {
            try skip(#"{"a":[1,{"b.c":x}]}"#)
        }
    }

    @Test(arguments: [
        ("-1", "from 0 up"), ("1.0", "whole number"), ("1e3", "whole number"), ("9223372036854775808", "too large"),
        ("\"1\"", "found a string"), ("null", "found null"), ("[1]", "found an array"), ("01", "expected a value"),
    ])
    func naturalNumbersAreStrict(_ text: String, _ reason: String) {
        expectRefusal(file: "f", field: "root", reason: reason) {
            try Array(text.utf8).withUnsafeBytes { bytes in
                var json = JSONScanner(bytes, file: "f", root: "root")
                _ = try json.naturalNumber()
            }
        }
    }
}
