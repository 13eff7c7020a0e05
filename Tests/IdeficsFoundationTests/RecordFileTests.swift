// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTestSupport
import Testing

@Suite struct RecordFileTests {
    /// A disk that takes half a record when it is full.
    final class Disk {
        var isFull = false

        func write(_ bytes: [UInt8], _ descriptor: Int32) -> Int32 {
            guard isFull else { return writeAll(bytes, to: descriptor) }
            _ = writeAll(bytes.prefix(bytes.count / 2), to: descriptor)
            return ENOSPC
        }
    }

    @Test func whatAFullDiskDidNotTakeIsWrittenLater() throws {
        let folder = try TemporaryFolder()
        let url = folder.url.appending(path: "records")
        let disk = Disk()
        let file = try RecordFile(url, writeBytes: disk.write)
        func content() throws -> String { String(decoding: try Data(contentsOf: url), as: UTF8.self) }
        try file.append("first\n".utf8)
        disk.isFull = true
        for record in ["second\n", "third\n"] {
            #expect(throws: OutputError.self) { try file.append(record.utf8) }
            #expect(try content() == "first\n")
        }
        #expect(throws: OutputError.self) { try file.flush() }
        disk.isFull = false
        try file.append("fourth\n".utf8)
        #expect(try content() == "first\nsecond\nthird\nfourth\n")
        try file.flush()
    }

    @Test func whatIsBeyondIsCutOff() throws {
        let folder = try TemporaryFolder()
        let url = try folder.write(Array("one\ntwo\nhalf".utf8), "records")
        try RecordFile(url, keeping: 4).append("three\n".utf8)
        #expect(try String(decoding: Data(contentsOf: url), as: UTF8.self) == "one\nthree\n")
        #expect(throws: OutputError.self) { try RecordFile(folder.url.appending(path: "no/such")) }
    }
}
