// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// GIF's variable-width LZW, over a chain of sub-blocks.
struct LZWDecoder {
    private let file: ByteReader
    private var offset: Int
    private var blockEnd: Int
    private var bits = 0
    private var bitCount = 0
    private let minimumWidth: Int

    /// Reads from the minimum code width at `dataOffset` on.
    init(_ file: ByteReader, dataOffset: Int) throws {
        guard let width = file.u8(dataOffset) else { throw ImageError.truncated(.gif) }
        guard (0...8).contains(width) else {
            throw ImageError.corrupt(.gif, reason: "an LZW code width of \(width)")
        }
        self.file = file
        minimumWidth = width
        offset = dataOffset + 1
        blockEnd = offset
    }

    /// The next code, or nil at the end of the chain of blocks.
    private mutating func nextCode(_ width: Int) throws -> Int? {
        while bitCount < width {
            if offset == blockEnd {
                guard let size = file.u8(offset) else { throw ImageError.truncated(.gif) }
                if size == 0 { return nil }
                offset += 1
                blockEnd = offset + size
            }
            guard let byte = file.u8(offset) else { throw ImageError.truncated(.gif) }
            offset += 1
            bits |= byte << bitCount
            bitCount += 8
        }
        let code = bits & (1 << width - 1)
        bits >>= width
        bitCount -= width
        return code
    }

    /// Exactly `count` indices; what the data holds beyond them is ignored.
    consuming func decode(count: Int) throws -> [UInt8] {
        let clear = 1 << minimumWidth
        let end = clear + 1
        // Entry i is entry prefix[i] followed by the byte suffix[i]; lengths let it be written backwards in place.
        var prefix = [UInt16](repeating: 0, count: 4096)
        var suffix = [UInt8](repeating: 0, count: 4096)
        var length = [UInt16](repeating: 0, count: 4096)
        for value in 0..<clear {
            suffix[value] = UInt8(value)
            length[value] = 1
        }
        var next = end + 1
        var width = minimumWidth + 1
        var previous = -1
        var output: [UInt8] = []
        output.reserveCapacity(count)

        while output.count < count {
            guard let code = try nextCode(width), code != end else {
                throw ImageError.corrupt(.gif, reason: "the image data ends after \(output.count) of \(count) pixels")
            }
            if code == clear {
                next = end + 1
                width = minimumWidth + 1
                previous = -1
                continue
            }
            guard previous >= 0 ? code <= next && (code < next || next < 4096) : code < clear else {
                throw ImageError.corrupt(.gif, reason: "an LZW code refers to a later one")
            }
            // A code not yet defined means: the previous string, then its own first byte.
            let isPending = code == next
            let known = isPending ? previous : code
            let start = output.count
            output.append(contentsOf: repeatElement(0, count: Int(length[known])))
            var entry = known
            var position = output.count - 1
            while position >= start {
                output[position] = suffix[entry]
                entry = Int(prefix[entry])
                position -= 1
            }
            let first = output[start]
            if isPending { output.append(first) }
            if previous >= 0, next < 4096 {
                prefix[next] = UInt16(previous)
                suffix[next] = first
                length[next] = length[previous] + 1
                next += 1
                if next == 1 << width, width < 12 { width += 1 }
            }
            previous = code
        }
        output.removeLast(output.count - count)
        return output
    }
}
