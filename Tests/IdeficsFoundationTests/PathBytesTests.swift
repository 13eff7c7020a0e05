// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import Testing

/// Names of files that are not UTF-8, in strings.
@Suite struct PathBytesTests {
    @Test(arguments: [
        Array("plain".utf8), Array("日本/é".utf8), [0x63, 0x61, 0x66, 0xE9], [0x93, 0xFA, 0x96, 0x7B],
        [0xFF, 0xFE, 0x2F],
        // Cut sequences, an overlong one, a surrogate, and what stands for a byte but really is in the name.
        [0xE6, 0x97], [0x41, 0xF0, 0x9F, 0x98], [0xC0, 0xAF], [0xED, 0xB3, 0xA9], [0xF4, 0x8F, 0xBB, 0xA9], [],
        Array(1...255),
    ])
    func everyNameComesBack(bytes: [UInt8]) {
        let text = PathBytes.string(bytes)
        #expect(PathBytes.bytes(of: text) == bytes)
        #expect(PathBytes.repaired(text) == String(decoding: bytes, as: UTF8.self))
        let url = URL(localPath: "/folder").appending(path: text.replacing("/", with: "-"))
        #expect(PathBytes.bytes(of: url.lastPathComponent) == bytes.map { $0 == 0x2F ? 0x2D : $0 } || bytes.isEmpty)
    }

    @Test func whatIsUTF8IsLeftAlone() {
        #expect(PathBytes.string(Array("naïve 🐈\u{10FFFD}".utf8)) == "naïve 🐈\u{10FFFD}")
    }

    @Test func systemCallsGetTheBytes() throws {
        let bytes = PathBytes.string([0x61, 0xE9]).withSystemPath { Array(UnsafeRawBufferPointer(start: $0, count: 3)) }
        #expect(bytes == [0x61, 0xE9, 0])
        // A NUL would cut the path: another file would be opened.
        #expect("a\0b".withSystemPath { $0.pointee } == 0)
    }

    @Test func relativePathsBeginAtTheWorkingDirectory() {
        #expect(URL(localPath: "a/../b").path == URL(filePath: "a/../b").path)
        #expect(PathBytes.currentDirectory == FileManager.default.currentDirectoryPath)
        #expect(PathBytes.environment["PATH"] == ProcessInfo.processInfo.environment["PATH"])
    }
}

@Suite struct PrintableTests {
    @Test func nothingSteersATerminal() {
        #expect(
            printable("a\u{1B}[2J\n\u{9B}\u{7F}\u{202E}\u{2028}z")
                == "a\\u{1b}[2J\\u{a}\\u{9b}\\u{7f}\\u{202e}\\u{2028}z"
        )
        #expect(printable(PathBytes.string([0x63, 0xE9])) == "c\u{FFFD}")
        #expect(printable(String(repeating: "x", count: 400)).count == 303)
        #expect(printable("abcd", limit: 2) == "ab...")
    }

    @Test func linesStayLines() {
        #expect(withoutControls("a\tb\n👩‍👧\u{1B}]0;t\u{7}\r\u{85}") == "a\tb\n👩‍👧\\u{1b}]0;t\\u{7}\\u{d}\\u{85}")
        #expect(withoutControls(PathBytes.string([0x63, 0xE9])) == "c\u{FFFD}")
    }
}
