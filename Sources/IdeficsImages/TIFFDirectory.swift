// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The first directory of a TIFF block, read by Pillow's rules: which entries it takes, which it skips, where it stops.
struct TIFFDirectory {
    private let block: ByteReader
    private let isBigEndian: Bool
    private let offset: Int

    /// What values are made of.
    private enum Kind {
        case unsigned, signed, rational, signedRational, float
        /// Bytes and texts, which are no numbers.
        case other
    }

    /// The types of values by their numbers, with the bytes of one; entries of other types are skipped.
    private static let types: [Int: (byteCount: Int, kind: Kind)] = [
        1: (1, .other), 2: (1, .other), 7: (1, .other),  // BYTE, ASCII, UNDEFINED
        3: (2, .unsigned), 4: (4, .unsigned), 13: (4, .unsigned), 16: (8, .signed),  // SHORT, LONG, IFD, LONG8
        6: (1, .signed), 8: (2, .signed), 9: (4, .signed),  // SBYTE, SSHORT, SLONG
        5: (8, .rational), 10: (8, .signedRational), 11: (4, .float), 12: (8, .float),
    ]

    /// nil for what does not begin as such a block.
    init?(_ block: ByteReader) {
        // Byte order and the number 42, which some write in the other order, or as 43.
        if ["MM\0*", "MM*\0", "MM\0+"].contains(where: { block.has($0, at: 0) }) {
            isBigEndian = true
        } else if ["II*\0", "II\0*"].contains(where: { block.has($0, at: 0) }) {
            isBigEndian = false
        } else {
            return nil
        }
        guard let offset = block.integer(4, size: 4, bigEndian: isBigEndian) else { return nil }
        self.block = block
        self.offset = offset
    }

    /// The first value of the entry `tag`: a whole number however it is written; 0 for anything else, nil without one.
    func wholeNumber(tag: Int) -> Int? {
        guard let count = integer(offset, 2) else { return nil }
        var farByteCount = 0
        for index in 0..<count {
            let entry = offset + 2 + 12 * index
            guard block.slice(entry, count: 12) != nil, let found = integer(entry, 2), let type = integer(entry + 2, 2),
                let valueCount = integer(entry + 4, 4)
            else { return nil }
            guard let (byteCount, kind) = Self.types[type], valueCount > 0 else { continue }
            var place = entry + 8
            let size = valueCount * byteCount
            if size > 4 {
                farByteCount += size
                guard farByteCount <= block.count else { continue }
                guard let far = integer(place, 4), block.slice(far, count: size) != nil else { return nil }
                place = far
            }
            if found == tag { return value(at: place, byteCount, kind) ?? 0 }
        }
        return nil
    }

    private func integer(_ offset: Int, _ size: Int) -> Int? {
        block.integer(offset, size: size, bigEndian: isBigEndian)
    }

    private func signed(_ offset: Int, _ size: Int) -> Int? {
        integer(offset, size).map { value in
            let unused = Int.bitWidth - 8 * size
            return (value << unused) >> unused
        }
    }

    private func value(at place: Int, _ byteCount: Int, _ kind: Kind) -> Int? {
        switch kind {
        case .other: return nil
        case .unsigned: return integer(place, byteCount)
        case .signed: return signed(place, byteCount)
        case .float:
            guard let bits = integer(place, byteCount) else { return nil }
            return byteCount == 4
                ? Int(exactly: Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
                : Int(exactly: Double(bitPattern: UInt64(bitPattern: Int64(bits))))
        case .rational, .signedRational:
            let read = kind == .rational ? integer : signed
            guard let numerator = read(place, 4), let denominator = read(place + 4, 4), denominator != 0,
                numerator % denominator == 0
            else { return nil }
            return numerator / denominator
        }
    }
}
