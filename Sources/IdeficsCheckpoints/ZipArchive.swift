// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The directory of a zip archive whose members are stored, not compressed, as torch writes them.
///
/// Every member is checked against its local header, and members may not overlap, leave the file or share a name, so
/// that two readers cannot see two different archives.
package struct ZipArchive {
    /// Where each member's bytes lie in the file, by name.
    package let members: [String: Range<Int>]

    /// What the central directory says of a member.
    private struct Record {
        let name: String
        let flags: UInt16
        let method: UInt16
        var byteCount: Int
        var compressedByteCount: Int
        var headerOffset: Int
    }

    private static let localSignature: UInt32 = 0x0403_4B50
    private static let recordSignature: UInt32 = 0x0201_4B50
    private static let endSignature: UInt32 = 0x0605_4B50
    private static let end64Signature: UInt32 = 0x0606_4B50
    private static let locatorSignature: UInt32 = 0x0706_4B50

    /// Reads the directory of the archive `bytes`.
    ///
    /// - Throws: `CheckpointError` naming the member or structure that is wrong.
    package init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
        let directory = try Self.directory(bytes, file: file)
        var reader = FieldReader(
            UnsafeRawBufferPointer(rebasing: bytes[..<directory.range.upperBound]),
            at: directory.range.lowerBound,
            file: file,
            field: "zip directory"
        )
        var records: [Record] = []
        for _ in 0..<directory.count {
            records.append(try Self.record(&reader, file: file))
        }
        reader.field = "zip directory"
        guard reader.isAtEnd else { throw reader.malformed("more members than its end record counts") }

        var members: [String: Range<Int>] = [:]
        var freeFrom = 0
        for record in records.sorted(by: { $0.headerOffset < $1.headerOffset }) {
            let range = try Self.dataRange(record, bytes, end: directory.range.lowerBound, file: file)
            func malformed(_ reason: String) -> CheckpointError {
                .malformed(file: file, field: "zip member \(record.name)", reason: reason)
            }
            guard record.headerOffset >= freeFrom else { throw malformed("overlaps the member before it") }
            guard members.updateValue(range, forKey: record.name) == nil else { throw malformed("appears twice") }
            freeFrom = range.upperBound
        }
        self.members = members
    }

    // MARK: - End of central directory

    /// Where the central directory lies and how many records it has.
    private static func directory(
        _ bytes: UnsafeRawBufferPointer,
        file: String
    ) throws -> (range: Range<Int>, count: Int) {
        let endSize = 22
        let first = max(0, bytes.count - endSize - Int(UInt16.max))
        var position = bytes.count - endSize
        while position >= first, !isEnd(bytes, at: position) { position -= 1 }
        guard position >= first else {
            throw CheckpointError.malformed(
                file: file,
                field: "zip end record",
                reason: "not found; the file is cut short or no zip archive"
            )
        }
        var reader = FieldReader(bytes, at: position + 4, file: file, field: "zip end record")
        let disk = try reader.integer(UInt16.self)
        let directoryDisk = try reader.integer(UInt16.self)
        let diskCount = try reader.integer(UInt16.self)
        var count = Int(try reader.integer(UInt16.self))
        var size = Int(try reader.integer(UInt32.self))
        var offset = Int(try reader.integer(UInt32.self))
        let isSentinel = count == Int(UInt16.max) || size == Int(UInt32.max) || offset == Int(UInt32.max)
        var end = position
        if let end64 = try end64(bytes, before: position, file: file) {
            guard count == end64.count || count == Int(UInt16.max), size == end64.size || size == Int(UInt32.max),
                offset == end64.offset || offset == Int(UInt32.max)
            else { throw reader.malformed("differs from the zip64 end record") }
            (count, size, offset, end) = (end64.count, end64.size, end64.offset, end64.position)
        } else {
            guard !isSentinel else { throw reader.malformed("needs a zip64 end record and has none") }
            guard disk == 0, directoryDisk == 0, Int(diskCount) == count else {
                throw reader.malformed("the archive spans several volumes")
            }
        }
        guard size <= end, offset <= end - size else { throw reader.malformed("the directory lies outside the file") }
        // A record takes at least 46 bytes: a count beyond that is a lie, found before anything is allocated for it.
        guard count <= size / 46 else { throw reader.malformed("\(count) members in a directory of \(size) bytes") }
        return (offset..<offset + size, count)
    }

    /// Whether an end record whose comment reaches to the end of the file lies at `position`.
    private static func isEnd(_ bytes: UnsafeRawBufferPointer, at position: Int) -> Bool {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)) == endSignature
            && Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 20, as: UInt16.self)))
                == bytes.count - position - 22
    }

    /// The zip64 end record, where the locator before the end record points; nil without a locator.
    private static func end64(
        _ bytes: UnsafeRawBufferPointer,
        before end: Int,
        file: String
    ) throws -> (count: Int, size: Int, offset: Int, position: Int)? {
        guard end >= 20 else { return nil }
        var locator = FieldReader(bytes, at: end - 20, file: file, field: "zip64 locator")
        guard try locator.integer(UInt32.self) == locatorSignature else { return nil }
        let endDisk = try locator.integer(UInt32.self)
        let position = try locator.size(UInt64.self)
        let diskCount = try locator.integer(UInt32.self)
        guard endDisk == 0, diskCount <= 1 else { throw locator.malformed("the archive spans several volumes") }
        guard position <= end - 20 - 56 else { throw locator.malformed("points outside the file") }

        var reader = FieldReader(bytes, at: position, file: file, field: "zip64 end record")
        guard try reader.integer(UInt32.self) == end64Signature else { throw reader.malformed("wrong signature") }
        _ = try reader.take(8 + 2 + 2)  // size of the record, versions
        let disk = try reader.integer(UInt32.self)
        let directoryDisk = try reader.integer(UInt32.self)
        let countHere = try reader.size(UInt64.self)
        let count = try reader.size(UInt64.self)
        let size = try reader.size(UInt64.self)
        let offset = try reader.size(UInt64.self)
        guard disk == 0, directoryDisk == 0, countHere == count else {
            throw reader.malformed("the archive spans several volumes")
        }
        return (count, size, offset, position)
    }

    // MARK: - Members

    private static func record(_ reader: inout FieldReader, file: String) throws -> Record {
        reader.field = "zip directory"
        guard try reader.integer(UInt32.self) == recordSignature else { throw reader.malformed("wrong signature") }
        _ = try reader.take(2 + 2)  // versions
        let flags = try reader.integer(UInt16.self)
        let method = try reader.integer(UInt16.self)
        _ = try reader.take(2 + 2 + 4)  // time, date, CRC-32 (torch can be told to leave it out)
        let compressed = try reader.integer(UInt32.self)
        let uncompressed = try reader.integer(UInt32.self)
        let nameCount = Int(try reader.integer(UInt16.self))
        let extraCount = Int(try reader.integer(UInt16.self))
        let commentCount = Int(try reader.integer(UInt16.self))
        let disk = try reader.integer(UInt16.self)
        _ = try reader.take(2 + 4)  // attributes
        let offset = try reader.integer(UInt32.self)
        let name = try reader.text(nameCount)
        reader.field = "zip member \(name)"
        let extra = try reader.take(extraCount)
        _ = try reader.take(commentCount)

        var record = Record(
            name: name,
            flags: flags,
            method: method,
            byteCount: Int(uncompressed),
            compressedByteCount: Int(compressed),
            headerOffset: Int(offset)
        )
        if uncompressed == .max || compressed == .max || offset == .max {
            guard var wide = try zip64Field(extra, file: file, field: reader.field) else {
                throw reader.malformed("needs a zip64 field and has none")
            }
            if uncompressed == .max { record.byteCount = try wide.size(UInt64.self) }
            if compressed == .max { record.compressedByteCount = try wide.size(UInt64.self) }
            if offset == .max { record.headerOffset = try wide.size(UInt64.self) }
        }
        guard disk == 0 || disk == .max else { throw reader.malformed("the archive spans several volumes") }
        guard !name.isEmpty, !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0 == "\\" }),
            name.utf8.first != UInt8(ascii: "/"),
            !name.utf8.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) })
        else { throw reader.malformed("not an acceptable member name") }
        guard flags & 1 == 0 else {
            throw CheckpointError.unsupported(file: file, field: reader.field, reason: "the member is encrypted")
        }
        guard method == 0 else {
            throw CheckpointError.unsupported(
                file: file,
                field: reader.field,
                reason: "the member is compressed (method \(method)); torch.save stores members uncompressed"
            )
        }
        guard record.byteCount == record.compressedByteCount else {
            throw reader.malformed("a stored member of \(record.byteCount) and \(record.compressedByteCount) bytes")
        }
        return record
    }

    /// Where the bytes of a member lie, after its local header has been checked against `record`.
    private static func dataRange(
        _ record: Record,
        _ bytes: UnsafeRawBufferPointer,
        end: Int,
        file: String
    ) throws -> Range<Int> {
        var reader = FieldReader(
            UnsafeRawBufferPointer(rebasing: bytes[..<end]),
            at: record.headerOffset,
            file: file,
            field: "zip member \(record.name)"
        )
        guard try reader.integer(UInt32.self) == localSignature else {
            throw reader.malformed("no local header at byte \(record.headerOffset)")
        }
        _ = try reader.take(2)  // version
        let flags = try reader.integer(UInt16.self)
        let method = try reader.integer(UInt16.self)
        _ = try reader.take(2 + 2 + 4)  // time, date, CRC-32
        let compressed = try reader.integer(UInt32.self)
        let uncompressed = try reader.integer(UInt32.self)
        let nameCount = Int(try reader.integer(UInt16.self))
        let extraCount = Int(try reader.integer(UInt16.self))
        let name = try reader.text(nameCount)
        let extra = try reader.take(extraCount)
        var sizes = [Int(uncompressed), Int(compressed)]
        if uncompressed == .max || compressed == .max {
            guard var wide = try zip64Field(extra, file: file, field: reader.field) else {
                throw reader.malformed("its local header needs a zip64 field and has none")
            }
            if uncompressed == .max { sizes[0] = try wide.size(UInt64.self) }
            if compressed == .max { sizes[1] = try wide.size(UInt64.self) }
        }
        // With flag bit 3 the sizes follow the data and the local header may say 0.
        let hasDescriptor = flags & 8 != 0
        guard name == record.name, method == record.method, flags == record.flags,
            sizes.allSatisfy({ $0 == record.byteCount || hasDescriptor && $0 == 0 })
        else { throw reader.malformed("its local header differs from the directory") }
        let start = reader.position
        _ = try reader.take(record.byteCount)
        return start..<start + record.byteCount
    }

    /// A reader of the zip64 extra field, nil if there is none.
    private static func zip64Field(
        _ extra: UnsafeRawBufferPointer,
        file: String,
        field: String
    ) throws -> FieldReader? {
        var reader = FieldReader(extra, file: file, field: field)
        while !reader.isAtEnd {
            let id = try reader.integer(UInt16.self)
            let body = try reader.take(Int(try reader.integer(UInt16.self)))
            if id == 1 { return FieldReader(body, file: file, field: field) }
        }
        return nil
    }
}
