// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import Testing

@Suite struct JSONReaderTests {
    private func decode<Value: Decodable>(
        _ type: Value.Type,
        _ text: String,
        allowsNonFinite: Bool = false
    ) throws -> Value {
        try JSONReader.decode(type, from: Data(text.utf8), file: "a.json", allowsNonFinite: allowsNonFinite)
    }

    /// The error of reading `text` as `type`.
    private func failure(_ type: (some Decodable).Type, _ text: String) -> JSONError? {
        #expect(throws: JSONError.self) { _ = try decode(type, text) }
    }

    private struct Config: Decodable, Equatable {
        struct Part: Decodable, Equatable {
            var size: Int
            var names: [String?]?
        }

        var size = 0
        var scale: Double?
        var isOn: Bool?
        var part: Part?
        var parts: [Part]?
        var table: [String: Float]?
    }

    @Test func aByteOrderMarkIsDropped() throws {
        #expect(try decode([Int].self, "\u{FEFF}[1, 2]") == [1, 2])
        let error = failure([Int].self, "\u{FEFF}[1,\r\n 2;]")
        #expect(error?.line == 2 && error?.column == 3)
    }

    @Test func errorsNameFileAndPath() throws {
        let error = failure([String: [Int]].self, #"{"sizes": [1, "two"]}"#)
        #expect(error == JSONError(file: "a.json", path: "sizes[1]", reason: "expected a whole number, found a string"))
        #expect(failure([String: Int].self, #"{"a.b": null}"#)?.path == "[\"a.b\"]")
        #expect(failure(Config.self, #"{"size": 1, "part": {}}"#)?.description == "a.json: part.size: is missing")
        #expect(failure(Config.self, #"{"size": 1, "parts": [{"size": 1}, null]}"#)?.path == "parts[1]")
        #expect(failure(Config.self, "[]")?.description == "a.json: expected an object, found an array")
    }

    @Test func nullIsAbsentWhereAKeyMayBeAbsent() throws {
        let text = #"{"size": 4, "scale": null, "isOn": null, "part": null, "parts": null, "table": null}"#
        #expect(try decode(Config.self, text) == Config(size: 4))
        #expect(failure(Config.self, #"{"size": null}"#)?.reason == "expected a whole number, found null")
    }

    @Test func readsWhatFoundationReads() throws {
        let text = #"""
            {"size": -3, "scale": 1.5e-3, "isOn": false, "part": {"size": 9223372036854775807, "names": ["é\n\ud83d\ude00", null]},
             "parts": [{"size": 1}, {"size": 2, "names": []}], "table": {"a": 0.1, "b": -0}, "unread": [[[{}]]]}
            """#
        #expect(try decode(Config.self, text) == JSONDecoder().decode(Config.self, from: Data(text.utf8)))
    }

    @Test func ofSeveralKeysTheLastCounts() throws {
        #expect(try decode(Config.self, #"{"size": "x", "size": 2}"#).size == 2)
        #expect(try decode([String: Int].self, #"{"a": 1, "\u0061": 2}"#) == ["a": 2])
    }

    // MARK: - Numbers

    @Test func pythonsNumbersAreNumbersThatNobodyNeedRead() throws {
        let text = #"{"size": 4, "limits": [0.0, Infinity, -Infinity], "note": NaN}"#
        #expect(try decode(Config.self, text).size == 4)
        for word in ["NaN", "Infinity", "-Infinity"] {
            #expect(failure(Config.self, "{\"size\": \(word)}")?.reason == "expected a whole number, found \(word)")
            let error = failure(Config.self, "{\"size\": 1, \"scale\": \(word)}")
            #expect(error?.path == "scale" && error?.reason == "expected a finite number, found \(word)")
            #expect(failure(Config.self, "{\"size\": 1, \"table\": {\"a\": \(word)}}")?.path == "table.a")
        }
    }

    @Test func numbersThatAreNotFiniteWhereAskedFor() throws {
        let values = try decode(
            [Double].self,
            #"[NaN, Infinity, -Infinity, "nan", "inf", "-inf", 1]"#,
            allowsNonFinite: true
        )
        #expect(values[0].isNaN && values[3].isNaN)
        #expect(values[1...2] == [.infinity, -.infinity] && values[4...6] == [.infinity, -.infinity, 1])
        #expect(throws: JSONError.self) { try decode([Double].self, "[\"x\"]", allowsNonFinite: true) }
    }

    @Test func wholeNumbersMayHaveAPoint() throws {
        #expect(
            try decode([Int].self, "[224.0, 1e3, -0, -0.0, 9007199254740991.0]") == [224, 1000, 0, 0, (1 << 53) - 1]
        )
        #expect(try decode([UInt64].self, "[18446744073709551615]") == [.max])
        #expect(try decode([Int].self, "[-9223372036854775808]") == [.min])
    }

    @Test(arguments: ["1.5", "9223372036854775808", "-9223372036854775809", "1e30", "1e999", "true", "\"1\"", "[1]"])
    func numbersThatDoNotFitAreRefused(_ text: String) {
        #expect(failure([Int].self, "[\(text)]")?.path == "[0]")
        #expect(failure([UInt8].self, "[\(text)]")?.path == "[0]")
    }

    @Test func numbersTooLargeAreRefused() {
        #expect(failure([Double].self, "[1e999]")?.reason == "1e999 is too large")
        #expect(failure([Float].self, "[1e39]")?.reason == "1e39 is too large")
        #expect(failure([Int8].self, "[128]")?.reason == "128 is out of range")
        #expect(failure([UInt].self, "[-1]")?.reason == "-1 is out of range")
    }

    // MARK: - Texts

    @Test func halfSurrogatePairsHarmOnlyWhereTheyAreRead() throws {
        let text = #"{"size": 4, "unread": "\ud83d", "\ude00": ["\ud800\ud800\udc00"]}"#
        #expect(try decode(Config.self, text).size == 4)
        for half in [#"\ud83d"#, #"\ude00"#, #"a\ud83d\u0041"#, #"\ud83d\n"#, #"\ud83d\ud83d"#] {
            let error = failure([String: String].self, "{\"text\": \"\(half)\"}")
            #expect(error?.path == "text" && error?.reason.contains("surrogate") == true)
        }
        #expect(try decode([String].self, #"["\ud83d\ude00\uD83D\uDE00"]"#) == ["😀😀"])
    }

    @Test func controlCharactersOfNamesAreEscaped() {
        let error = failure([String: Int].self, #"{"\u001b[2J": "x"}"#)
        #expect(error?.description == "a.json: [\"\\u{1b}[2J\"]: expected a whole number, found a string")
    }

    // MARK: - Texts that are no JSON

    @Test(arguments: [
        ("", 1, 1, "empty"), (" \n", 2, 1, "empty"), ("{\n  \"a\": 1,\n}", 3, 1, "a key in double quotes"),
        ("{\"a\": 1", 1, 8, "ends before '}'"), ("[1\r\n 2]", 2, 2, "',' or ']'"), ("{'a': 1}", 1, 2, "double quotes"),
        ("{\"a\" 1}", 1, 6, "':'"), ("[1, nul]", 1, 8, "a value"), ("[1] x", 1, 5, "after the end"),
        ("[\"a\nb\"]", 1, 4, "control character"), ("\"\\x\"", 1, 3, "escape"), ("\"\\u12g4\"", 1, 6, "hexadecimal"),
        ("[01]", 1, 3, "','"), ("[1.]", 1, 4, "digit"), ("[+1]", 1, 2, "a value"), ("[-Inf]", 1, 6, "a value"),
        ("[NaNs]", 1, 5, "','"), ("// a\n{}", 1, 1, "a value"), ("\"abc", 1, 5, "inside a string"),
        ("{}\u{0}", 1, 3, "UTF-16"), ("version https://git-lfs.github.com/spec/v1\n", 1, 1, "git lfs pull"),
    ])
    func errorsSayLineAndColumn(_ text: String, _ line: Int, _ column: Int, _ reason: String) {
        let error = failure(Config.self, text)
        #expect(error?.line == line || reason == "UTF-16", "\(text)")
        #expect(error?.column == column || reason == "UTF-16", "\(text)")
        #expect(error?.reason.contains(reason) == true, "\(text): \(error?.reason ?? "")")
        #expect(error?.description.hasPrefix("a.json: not valid JSON at line ") == true)
    }

    @Test func otherEncodingsAreNamed() {
        for encoding in [String.Encoding.utf16, .utf16LittleEndian, .utf16BigEndian, .utf32] {
            let text = "{\"a\": 1}".data(using: encoding) ?? Data()
            let error = #expect(throws: JSONError.self) { try JSONReader.decode(Config.self, from: text, file: "a") }
            #expect(error?.reason.contains("UTF-8") == true)
        }
        let latin = Data("{\n\"a\": \"caf".utf8) + [0xE9] + Data("\"}".utf8)
        let error = #expect(throws: JSONError.self) { try JSONReader.decode(Config.self, from: latin, file: "a") }
        #expect(error?.line == 2 && error?.column == 10 && error?.reason.contains("0xe9") == true)
    }

    @Test(
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82],
            [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0xFF, 0xFE], [0xFE, 0xFF], [0x00], [0xEF, 0xBB], [0xEF, 0xBB, 0xBF],
        ] as [[UInt8]]
    )
    func bytesThatAreNoTextAreRefused(_ bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSONReader.decode(String.self, from: Data(bytes), file: "a") }
    }

    @Test func nestingIsBounded() throws {
        for opening in ["[", #"{"a":"#] {
            let error = failure(Config.self, String(repeating: opening, count: 200_000))
            #expect(error?.reason.contains("deeper") == true)
        }
        _ = try decode(
            Config.self,
            "{\"size\": 1, \"x\": \(String(repeating: "[", count: 500))\(String(repeating: "]", count: 500))}"
        )
    }

    @Test func mutatedTextsNeverTrap() {
        let base = Array(
            #"{"size": 4, "scale": -1.5e3, "isOn": true, "part": {"size": 1, "names": ["\ud83d\ude00é"]}, "x": [NaN]}"#
                .utf8
        )
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array(#"{}[]",:\u0d8-+.eE1NInfaty "#.utf8)
        for _ in 0..<3000 {
            var bytes = base
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[index] = alphabet.randomElement(using: &generator) ?? 0
            }
            if Bool.random() { bytes.removeLast(Int.random(in: 0..<bytes.count)) }
            do {
                _ = try JSONReader.decode(Config.self, from: Data(bytes), file: "a")
            } catch is JSONError {
            } catch {
                Issue.record("\(error)")
            }
        }
    }

    // MARK: - Editing

    @Test func editsLeaveTheRestAsItWas() throws {
        let text = "\u{FEFF}{\"a\": [1,2],\r\n \"e\u{301}\": NaN, \"b\": \"\\ud83d\"}"
        let edited = try editedJSON(Array(text.utf8), file: "a", removing: ["a"]) { keys in
            #expect(keys == ["a", "e\u{301}", "b"])
            return [("c", "3")]
        }
        #expect(edited == "{\n  \"e\u{301}\": NaN,\n  \"b\": \"\\ud83d\",\n  \"c\": 3\n}")
    }
}
