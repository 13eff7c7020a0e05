// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsTestSupport
import Testing

@Suite struct ZipArchiveTests {
    private static let plain = ZipBuilder(members: [
        .init(name: "r/a", bytes: [1, 2, 3]), .init(name: "r/b", bytes: []), .init(name: "r/c", bytes: [4]),
    ])

    private func members(_ bytes: [UInt8]) throws -> [String: [UInt8]] {
        try bytes.withUnsafeBytes { buffer in
            try ZipArchive(buffer, file: "x.bin").members.mapValues { Array(buffer[$0]) }
        }
    }

    private func expectRefusal(
        _ builder: ZipBuilder,
        field: String,
        reason: String,
        unsupported: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        IdeficsCheckpointsTests.expectRefusal(
            file: "x.bin",
            field: field,
            reason: reason,
            unsupported: unsupported,
            sourceLocation: sourceLocation
        ) { _ = try members(builder.bytes()) }
    }

    /// `plain` with its second member changed.
    private func changed(_ change: (inout ZipBuilder.Member) -> Void) -> ZipBuilder {
        var builder = Self.plain
        change(&builder.members[1])
        return builder
    }

    @Test func readsStoredMembers() throws {
        let expected: [String: [UInt8]] = ["r/a": [1, 2, 3], "r/b": [], "r/c": [4]]
        var builder = Self.plain
        #expect(try members(builder.bytes()) == expected)
        builder.usesZip64 = true
        #expect(try members(builder.bytes()) == expected)
        builder.comment = Array("a comment".utf8)
        #expect(try members(builder.bytes()) == expected)
        #expect(try members([9, 9, 9] + ZipBuilder().bytes()) == [:])
    }

    @Test func everyTruncationIsRefused() throws {
        var builder = Self.plain
        for usesZip64 in [false, true] {
            builder.usesZip64 = usesZip64
            let bytes = builder.bytes()
            for count in 0..<bytes.count {
                #expect(throws: CheckpointError.self) { try members(Array(bytes[..<count])) }
            }
        }
        let file = try Array(Fixtures.data("checkpoints/protocol2.bin"))
        for count in stride(from: 0, to: file.count, by: 7) {
            #expect(throws: CheckpointError.self) { try members(Array(file[..<count])) }
        }
    }

    @Test func compressedAndEncryptedMembersAreRefused() {
        expectRefusal(
            changed { $0.method = 8 },
            field: "zip member r/b",
            reason: "compressed (method 8)",
            unsupported: true
        )
        expectRefusal(changed { $0.flags = 1 }, field: "zip member r/b", reason: "encrypted", unsupported: true)
    }

    @Test func localHeadersMustAgreeWithTheDirectory() {
        let differs = "local header differs"
        expectRefusal(changed { $0.localName = "r/x" }, field: "zip member r/b", reason: differs)
        expectRefusal(changed { $0.localSize = 1 }, field: "zip member r/b", reason: differs)
        // Sizes after the data (flag bit 3): 0 is right, another size is not.
        expectRefusal(
            changed {
                $0.flags = 8
                $0.localSize = 7
            },
            field: "zip member r/b",
            reason: differs
        )
        #expect(throws: Never.self) {
            try members(
                changed {
                    $0.flags = 8
                    $0.bytes = [5]
                    $0.localSize = 0
                }.bytes()
            )
        }
    }

    @Test func membersMayNotOverlapLeaveTheFileOrRepeat() {
        expectRefusal(changed { $0.headerOffset = 0 }, field: "zip member r/b", reason: "local header differs")
        expectRefusal(changed { $0.headerOffset = 5 }, field: "zip member r/b", reason: "no local header")
        expectRefusal(changed { $0.headerOffset = 1 << 30 }, field: "zip member r/b", reason: "ends early")
        expectRefusal(changed { $0.headerOffset = .max }, field: "zip member r/b", reason: "needs a zip64 field")
        expectRefusal(changed { $0.name = "r/a" }, field: "zip member r/a", reason: "appears twice")
        var builder = Self.plain
        builder.members[0].directorySize = 10
        builder.members[0].localSize = 10
        expectRefusal(builder, field: "zip member r/b", reason: "overlaps the member before it")
        builder.members[0].directorySize = 1 << 30
        builder.members[0].localSize = 1 << 30
        expectRefusal(builder, field: "zip member r/a", reason: "ends early")
        // Two directory entries, one local header.
        builder = Self.plain
        builder.members[1].name = "r/a"
        builder.members[1].headerOffset = 0
        builder.members[1].directorySize = 3
        expectRefusal(builder, field: "zip member r/a", reason: "overlaps the member before it")
    }

    @Test(arguments: ["", "/a", "../a", "a/../b", "a\\b", "a\u{0}b", ".."])
    func namesAreChecked(_ name: String) {
        expectRefusal(changed { $0.name = name }, field: "zip member \(name)", reason: "not an acceptable member name")
    }

    @Test func endRecordsAreChecked() {
        var builder = Self.plain
        builder.memberCount = 4
        expectRefusal(builder, field: "zip end record", reason: "4 members in a directory of")
        builder.memberCount = 2
        expectRefusal(builder, field: "zip directory", reason: "more members")
        builder.memberCount = 60000
        expectRefusal(builder, field: "zip end record", reason: "60000 members in a directory of")
        builder.memberCount = .max
        expectRefusal(builder, field: "zip end record", reason: "needs a zip64 end record")
        builder.usesZip64 = true
        builder.memberCount = 4
        expectRefusal(builder, field: "zip64 end record", reason: "several volumes")
        builder = Self.plain
        builder.directoryOffset = 1 << 20
        expectRefusal(builder, field: "zip end record", reason: "outside the file")
        builder.directoryOffset = 3
        expectRefusal(builder, field: "zip directory", reason: "wrong signature")
        builder.directoryOffset = nil
        builder.directoryByteCount = 1 << 20
        expectRefusal(builder, field: "zip end record", reason: "outside the file")
    }

    @Test func whatIsNoArchiveIsRefused() {
        for bytes in [[], [0x50], Array("PK\u{3}\u{4}".utf8), Array(repeating: 0, count: 100_000)] as [[UInt8]] {
            IdeficsCheckpointsTests.expectRefusal(file: "x.bin", field: "zip end record", reason: "cut short") {
                _ = try members(bytes)
            }
        }
    }
}
