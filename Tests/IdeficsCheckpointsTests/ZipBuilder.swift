// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Writes zip archives, wrong ones too.
struct ZipBuilder {
    struct Member {
        var name: String
        var bytes: [UInt8]
        var method: UInt16 = 0
        var flags: UInt16 = 0
        /// What the local header says, where it differs.
        var localName: String?
        var localSize: UInt32?
        /// What the directory says, where it differs.
        var directorySize: UInt32?
        var headerOffset: UInt32?
    }

    var members: [Member] = []
    var usesZip64 = false
    var comment: [UInt8] = []
    /// Changes the end record: counts, size, offset.
    var memberCount: UInt16?
    var directoryOffset: UInt32?
    var directoryByteCount: UInt32?

    /// An archive as torch writes it, root folder `archive`.
    static func torch(pickle: [UInt8], storages: [(String, [UInt8])] = []) -> ZipBuilder {
        var builder = ZipBuilder()
        builder.members.append(Member(name: "archive/data.pkl", bytes: pickle))
        builder.members.append(Member(name: "archive/byteorder", bytes: Array("little".utf8)))
        for (key, bytes) in storages {
            builder.members.append(Member(name: "archive/data/\(key)", bytes: bytes))
        }
        return builder
    }

    func bytes() -> [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for member in members {
            let size = UInt32(member.bytes.count)
            let offset = UInt32(file.count)
            let localName = Array((member.localName ?? member.name).utf8)
            let localSize = member.localSize ?? size
            var localExtra: [UInt8] = []
            if usesZip64 {
                localExtra = UInt16(1).littleEndianBytes + UInt16(16).littleEndianBytes
                localExtra += UInt64(localSize).littleEndianBytes + UInt64(localSize).littleEndianBytes
            }
            let shownLocalSize = usesZip64 ? UInt32.max : localSize
            file += UInt32(0x0403_4B50).littleEndianBytes + UInt16(20).littleEndianBytes
            file += member.flags.littleEndianBytes + member.method.littleEndianBytes + [0, 0, 0, 0] + [0, 0, 0, 0]
            file += shownLocalSize.littleEndianBytes + shownLocalSize.littleEndianBytes
            file += UInt16(localName.count).littleEndianBytes + UInt16(localExtra.count).littleEndianBytes
            file += localName + localExtra + member.bytes

            let name = Array(member.name.utf8)
            let directorySize = member.directorySize ?? size
            let directoryOffset = member.headerOffset ?? offset
            var extra: [UInt8] = []
            if usesZip64 {
                extra = UInt16(0x4246).littleEndianBytes + UInt16(2).littleEndianBytes + [7, 7]
                extra += UInt16(1).littleEndianBytes + UInt16(24).littleEndianBytes
                extra += UInt64(directorySize).littleEndianBytes + UInt64(directorySize).littleEndianBytes
                extra += UInt64(directoryOffset).littleEndianBytes
            }
            let shownSize = usesZip64 ? UInt32.max : directorySize
            directory += UInt32(0x0201_4B50).littleEndianBytes + [20, 0, 20, 0]
            directory +=
                member.flags.littleEndianBytes + member.method.littleEndianBytes + [0, 0, 0, 0] + [0, 0, 0, 0]
            directory += shownSize.littleEndianBytes + shownSize.littleEndianBytes
            directory += UInt16(name.count).littleEndianBytes + UInt16(extra.count).littleEndianBytes
            directory += UInt16(0).littleEndianBytes + UInt16(0).littleEndianBytes + [0, 0] + [0, 0, 0, 0]
            directory += (usesZip64 ? UInt32.max : directoryOffset).littleEndianBytes + name + extra
        }
        let offset = UInt32(file.count)
        file += directory
        if usesZip64 {
            let end64 = UInt64(file.count)
            file += UInt32(0x0606_4B50).littleEndianBytes + UInt64(44).littleEndianBytes + [45, 0, 45, 0]
            file += UInt32(0).littleEndianBytes + UInt32(0).littleEndianBytes
            file +=
                UInt64(members.count).littleEndianBytes
                + UInt64(memberCount ?? UInt16(members.count))
                .littleEndianBytes
            file += UInt64(directory.count).littleEndianBytes + UInt64(directoryOffset ?? offset).littleEndianBytes
            file += UInt32(0x0706_4B50).littleEndianBytes + UInt32(0).littleEndianBytes
            file += end64.littleEndianBytes + UInt32(1).littleEndianBytes
        }
        let count = usesZip64 ? UInt16.max : memberCount ?? UInt16(members.count)
        file +=
            UInt32(0x0605_4B50).littleEndianBytes + [0, 0, 0, 0] + count.littleEndianBytes + count.littleEndianBytes
        file += (usesZip64 ? UInt32.max : directoryByteCount ?? UInt32(directory.count)).littleEndianBytes
        file += (usesZip64 ? UInt32.max : directoryOffset ?? offset).littleEndianBytes
        return file + UInt16(comment.count).littleEndianBytes + comment
    }
}
