// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The orientation a file states in its EXIF block, or failing that in its XMP packet.
///
/// Metadata is advisory: whatever cannot be read counts as absent.
enum ImageMetadata {
    /// 1...8 as EXIF numbers them; 1 (upright) when the file says nothing usable.
    static func orientation(_ bytes: UnsafeRawBufferPointer, format: ImageFormat) -> Int {
        let (exif, xmp) =
            switch format {
            case .jpeg: jpeg(ByteReader(bytes))
            case .png: png(ByteReader(bytes))
            case .webp: webp(bytes)
            case .gif: ([], [])
            }
        let stated = exif.isEmpty ? nil : exif.withUnsafeBytes { exifOrientation($0) }
        return stated ?? xmpOrientation(xmp) ?? 1
    }

    // MARK: - Finding the blocks

    private typealias Blocks = (exif: [UInt8], xmp: [UInt8])

    private static func jpeg(_ file: ByteReader) -> Blocks {
        var blocks: Blocks = ([], [])
        var offset = 2
        while let byte = file.u8(offset), let marker = file.u8(offset + 1) {
            guard byte == 0xFF, marker != 0xFF, marker != 0 else {
                offset += 1  // fill bytes, and junk between segments, which libjpeg skips too
                continue
            }
            switch marker {
            case 0x01, 0xD0...0xD7:  // no length follows
                offset += 2
                continue
            case 0xD9, 0xDA:  // end of image, start of scan
                return blocks
            default:
                break
            }
            guard let length = file.integer(offset + 2, size: 2, bigEndian: true), length >= 2,
                let segment = file.slice(offset + 4, count: length - 2)
            else { return blocks }
            if marker == 0xE1 {
                if let exif = ByteReader(segment).dropping(prefix: "Exif\0\0") {
                    blocks.exif += exif  // a long block continues in further segments
                } else if let xmp = ByteReader(segment).dropping(prefix: "http://ns.adobe.com/xap/1.0/\0") {
                    blocks.xmp = Array(xmp)
                }
            }
            offset += 2 + length
        }
        return blocks
    }

    private static func png(_ file: ByteReader) -> Blocks {
        var blocks: Blocks = ([], [])
        var offset = 8
        while let length = file.integer(offset, size: 4, bigEndian: true),
            let payload = file.slice(offset + 8, count: length)
        {
            if file.has("eXIf", at: offset + 4) {
                blocks.exif = Array(payload)
            } else if file.has("iTXt", at: offset + 4) {
                // Keyword, 0, compression flag; compressed packets are left alone.
                if let rest = ByteReader(payload).dropping(prefix: "XML:com.adobe.xmp\0"), rest.first == 0 {
                    blocks.xmp = Array(rest)
                }
            }
            offset += 12 + length
        }
        return blocks
    }

    private static func webp(_ bytes: UnsafeRawBufferPointer) -> Blocks {
        var blocks: Blocks = ([], [])
        for chunk in WebPContainer.chunks(in: bytes, from: 12) {
            if chunk.name == "EXIF" { blocks.exif = Array(chunk.payload) }
            if chunk.name == "XMP " { blocks.xmp = Array(chunk.payload) }
        }
        return blocks
    }

    // MARK: - Reading them

    /// Tag 0x0112 of a TIFF block, where it says something.
    private static func exifOrientation(_ block: UnsafeRawBufferPointer) -> Int? {
        let tiff = ByteReader(ByteReader(block).dropping(prefix: "Exif\0\0") ?? block)
        return TIFFDirectory(tiff)?.wholeNumber(tag: 0x0112)
    }

    /// The digit after `tiff:Orientation="` or `tiff:Orientation>`.
    private static func xmpOrientation(_ xmp: [UInt8]) -> Int? {
        let name = Array("tiff:Orientation".utf8)
        guard xmp.count > name.count else { return nil }
        var start = 0
        while start < xmp.count - name.count {
            defer { start += 1 }
            guard xmp[start] == name[0], xmp[start..<(start + name.count)].elementsEqual(name) else { continue }
            let rest = xmp[(start + name.count)...].prefix(3)
            for opening in ["=\"", ">"] where rest.starts(with: opening.utf8) {
                if let digit = rest.dropFirst(opening.utf8.count).first, (0x30...0x39).contains(digit) {
                    return Int(digit) - 0x30
                }
            }
        }
        return nil
    }
}
