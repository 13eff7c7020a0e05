// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Finds the elements of a JSON array that is a whole text, given piece by piece, without reading them.
struct ArrayScanner {
    /// The elements so far.
    private(set) var records: [ExampleRecords.Record] = []
    /// Whether the array has ended.
    private(set) var isComplete = false

    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var offset: Int
    private var line: Int
    /// Where the element at hand begins, and where it ends if nothing follows.
    private var element: (start: Int, line: Int, end: Int)?

    /// A scanner at the byte `start`, on line `line`.
    init(start: Int, line: Int) {
        offset = start
        self.line = line
    }

    /// Goes through the next bytes.
    ///
    /// - Returns: false when the text is not one array and nothing else.
    mutating func scan(_ bytes: [UInt8]) -> Bool {
        for byte in bytes {
            defer { offset += 1 }
            if byte == UInt8(ascii: "\n") { line += 1 }
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                    element?.end = offset + 1
                }
                continue
            }
            if [9, 10, 13, 32].contains(byte) { continue }
            if isComplete || depth == 0 && byte != UInt8(ascii: "[") { return false }
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                if depth == 1 { continue }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                if depth == 0 {
                    end()
                    isComplete = true
                    continue
                }
            case UInt8(ascii: ","):
                if depth == 1 {
                    end()
                    continue
                }
            case UInt8(ascii: "\""): isInString = true
            default: break
            }
            if element == nil { element = (offset, line, offset + 1) }
            element?.end = offset + 1
        }
        return true
    }

    private mutating func end() {
        guard let (start, line, end) = element else { return }
        records.append(.init(line: line, element: records.count + 1, bytes: start..<end))
        element = nil
    }
}
