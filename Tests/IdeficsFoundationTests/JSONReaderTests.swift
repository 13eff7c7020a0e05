// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import Testing

@Suite struct JSONReaderTests {
    @Test func aByteOrderMarkIsDropped() throws {
        let text = Data([0xEF, 0xBB, 0xBF]) + Data("[1, 2]".utf8)
        #expect(try JSONReader.decode([Int].self, from: text, file: "a.json") == [1, 2])
    }

    @Test func errorsNameFileAndPath() throws {
        let error = #expect(throws: JSONError.self) {
            try JSONReader.decode([String: [Int]].self, from: Data(#"{"sizes": [1, "two"]}"#.utf8), file: "a.json")
        }
        #expect(error?.file == "a.json")
        #expect(error?.path == "sizes[1]")
    }
}
