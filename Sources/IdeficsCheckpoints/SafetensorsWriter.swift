// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
public import IdeficsTensor

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Writes a safetensors file piece by piece, with no more of it in memory than the piece at hand.
///
/// The layout is declared first; then the bytes of each tensor are appended, tensors in any order. The file appears at
/// its place when `finish` succeeds, whole; before that, and if anything fails, what was there stays as it was.
/// Byte for byte it is the file the official library writes: wider types first, then by name, data aligned to 8 bytes;
/// but tensors that ask for an alignment come before all others, and then the data begins at a multiple of it. The format
/// has no holes, so an alignment is certain only if all that ask have the same, and sizes that are multiples of it.
public final class SafetensorsWriter {
    /// A tensor to come.
    public struct Declaration: Sendable {
        /// Its name.
        public let name: String
        /// How its elements are stored.
        public let dtype: DType
        /// Sizes of the axes, outermost first.
        public let shape: [Int]
        /// A power of two, of which the tensor's first byte in the file is to be a multiple; 1 for wherever it falls.
        public let alignment: Int

        /// Bytes of its elements.
        public var byteCount: Int { shape.reduce(dtype.byteCount, *) }

        /// A tensor to come.
        ///
        /// - Precondition: `alignment` is a power of two.
        public init(name: String, dtype: DType, shape: [Int], alignment: Int = 1) {
            precondition(alignment > 0 && alignment & (alignment - 1) == 0, "Declaration: alignment \(alignment)")
            self.name = name
            self.dtype = dtype
            self.shape = shape
            self.alignment = alignment
        }

        /// Whether what follows it is aligned if it is.
        fileprivate var isWhole: Bool {
            StoredDType(dtype).byteCount(of: shape).map { $0 % alignment == 0 } ?? false
        }
    }

    private let path: String
    private let file: AtomicFile
    /// Where the rest of each tensor goes.
    private var gaps: [String: Range<Int>] = [:]

    /// Begins a file of `tensors` that is to appear at `url`.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    public init(_ url: URL, tensors: [Declaration], metadata: [String: String] = [:]) throws {
        path = url.path
        var header = "{"
        if !metadata.isEmpty {
            let members = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            header += "\"__metadata__\":{" + members.joined(separator: ",") + "}"
        }
        var end = 0
        for tensor in Self.laidOut(tensors) {
            let dtype = StoredDType(tensor.dtype)
            guard let byteCount = dtype.byteCount(of: tensor.shape), byteCount <= Int.max / 2 - end else {
                throw CheckpointError.unwritable(file: path, reason: "\(tensor.name): \(tensor.shape) is too large")
            }
            guard tensor.name != "__metadata__", gaps.updateValue(end..<end + byteCount, forKey: tensor.name) == nil
            else { throw CheckpointError.unwritable(file: path, reason: "two tensors named \(tensor.name)") }
            header += header.utf8.count > 1 ? "," : ""
            header += "\(quoted(tensor.name)):{\"dtype\":\"\(dtype.rawValue)\""
            header += ",\"shape\":[\(tensor.shape.map(String.init).joined(separator: ","))]"
            header += ",\"data_offsets\":[\(end),\(end + byteCount)]}"
            end += byteCount
        }
        header += "}"
        // Spaces after the header are part of the format; the 8 bytes of its length precede it.
        let alignment = max(8, tensors.map(\.alignment).max() ?? 1)
        header += String(repeating: " ", count: (alignment - (8 + header.utf8.count) % alignment) % alignment)
        guard header.utf8.count <= SafetensorsHeader.maximumByteCount else {
            throw CheckpointError.unwritable(file: path, reason: "a header of \(header.utf8.count) bytes is too large")
        }
        let prefix = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + header.utf8
        gaps = gaps.mapValues { $0.lowerBound + prefix.count..<$0.upperBound + prefix.count }
        file = try CheckpointError.writing {
            let file = try AtomicFile(url)
            try prefix.withUnsafeBytes { try file.write($0, at: 0) }
            return file
        }
    }

    /// Tensors in the order of their data: first those that are to be aligned, in the order declared, which is that of
    /// their use, so that a system reading ahead reads what is next; then the others in the official order.
    private static func laidOut(_ tensors: [Declaration]) -> [Declaration] {
        let aligned = tensors.filter { $0.alignment > 1 }
        // What ends at a multiple of its alignment comes first: the next one is aligned then.
        return aligned.filter(\.isWhole) + aligned.filter { !$0.isWhole }
            + tensors.filter { $0.alignment == 1 }.sorted(by: precedes)
    }

    /// The official order: element types from wide to narrow, then names by their bytes.
    private static func precedes(_ first: Declaration, _ second: Declaration) -> Bool {
        let order = StoredDType.allCases
        let firstRank = order.firstIndex(of: StoredDType(first.dtype)) ?? 0
        let secondRank = order.firstIndex(of: StoredDType(second.dtype)) ?? 0
        return firstRank == secondRank
            ? first.name.utf8.lexicographicallyPrecedes(second.name.utf8) : firstRank > secondRank
    }

    /// Appends `bytes` to the data of the tensor `name`.
    ///
    /// - Throws: `CheckpointError.unwritable`, also when the tensor was not declared or has no room for them.
    public func append(_ bytes: UnsafeRawBufferPointer, to name: String) throws {
        guard let gap = gaps[name] else {
            throw CheckpointError.unwritable(file: path, reason: "\(name) was not declared")
        }
        guard bytes.count <= gap.count else {
            throw CheckpointError.unwritable(
                file: path,
                reason: "\(name) has room for \(gap.count) more bytes, not \(bytes.count)"
            )
        }
        try CheckpointError.writing { try file.write(bytes, at: gap.lowerBound) }
        gaps[name] = gap.lowerBound + bytes.count..<gap.upperBound
    }

    /// Makes the file appear.
    ///
    /// - Throws: `CheckpointError.unwritable`, also when a tensor is not complete.
    public func finish() throws {
        if let name = gaps.filter({ !$0.value.isEmpty }).keys.min() {
            throw CheckpointError.unwritable(file: path, reason: "\(name) is not complete")
        }
        try CheckpointError.writing { try file.commit() }
    }

    /// Writes `tensors` to `url`.
    ///
    /// - Throws: `CheckpointError.unwritable`; what was at `url` before is then untouched.
    public static func write(
        _ tensors: [String: Tensor],
        metadata: [String: String] = [:],
        to url: URL
    ) throws {
        let declarations = tensors.map { Declaration(name: $0.key, dtype: $0.value.dtype, shape: $0.value.shape) }
        let writer = try SafetensorsWriter(url, tensors: declarations, metadata: metadata)
        for (name, tensor) in tensors {
            try tensor.toHost().withUnsafeBytes { try writer.append($0, to: name) }
        }
        try writer.finish()
    }
}

/// `text` as a JSON string.
private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        case "\u{8}": result += "\\b"
        case "\u{C}": result += "\\f"
        case "\0"..<" ":
            let code = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
