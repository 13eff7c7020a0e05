// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// One safetensors file, mapped: opening it reads the header, tensors are views of the map.
///
/// A tensor that does not lie at a multiple of its element size (`TensorMetadata.isMapped` is false) is copied to the
/// heap when loaded.
public final class SafetensorsFile: TensorSource {
    /// The file.
    public let url: URL
    /// The strings its writer left under `__metadata__`.
    public let fileMetadata: [String: String]
    /// All names, sorted.
    public let tensorNames: [String]
    private let contents: FileContents
    private let entries: [SafetensorsHeader.Entry]
    private let indices: [String: Int]

    /// Opens the file at `url` and checks its header.
    ///
    /// - Throws: `CheckpointError`, naming the field that is wrong.
    public convenience init(_ url: URL) throws {
        try self.init(FileContents(mapping: url))
    }

    init(_ contents: FileContents) throws {
        let header = try contents.withUnsafeBytes { try SafetensorsHeader($0, file: contents.url.path) }
        self.contents = contents
        url = contents.url
        fileMetadata = header.metadata
        entries = header.entries
        // Names are unique: the header has no duplicate keys.
        indices = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
        tensorNames = indices.keys.sorted()
    }

    /// What the headers say of the tensor `name`; nil when there is none.
    public func metadata(named name: String) -> TensorMetadata? {
        guard let index = indices[name] else { return nil }
        let entry = entries[index]
        return TensorMetadata(
            name: name,
            dtype: entry.dtype,
            shape: entry.shape,
            byteCount: entry.range.count,
            fileName: url.lastPathComponent,
            isMapped: entry.isAligned
        )
    }

    /// The tensor `name`: a view of the map, or a copy where it lies unaligned.
    ///
    /// - Throws: `CheckpointError.missingTensor`, or `unsupported` when the engine has no such element type.
    public func tensor(named name: String) throws -> Tensor {
        guard let index = indices[name] else { throw CheckpointError.missingTensor(file: url.path, name: name) }
        let entry = entries[index]
        guard let dtype = entry.dtype.dtype else {
            throw CheckpointError.unsupported(
                file: url.path,
                field: name,
                reason: "elements of type \(entry.dtype.rawValue) can be listed but not loaded"
            )
        }
        if entry.isAligned {
            return Tensor(
                shape: entry.shape,
                dtype: dtype,
                storage: contents.storage,
                byteOffset: entry.range.lowerBound
            )
        }
        return contents.withUnsafeBytes { bytes in
            Tensor(uninitialized: entry.shape, dtype: dtype) { destination in
                UnsafeMutableRawBufferPointer(start: destination, count: entry.range.count)
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[entry.range]))
            }
        }
    }
}

extension SafetensorsFile {
    /// The bytes of the tensor `name`: a view of the map.
    ///
    /// - Throws: `CheckpointError.missingTensor`.
    public func bytes(named name: String) throws -> Tensor {
        guard let index = indices[name] else { throw CheckpointError.missingTensor(file: url.path, name: name) }
        let range = entries[index].range
        return Tensor(shape: [range.count], dtype: .u8, storage: contents.storage, byteOffset: range.lowerBound)
    }
}

extension SafetensorsHeader.Entry {
    /// Whether its elements can be read where they lie; maps begin at a page.
    fileprivate var isAligned: Bool {
        range.lowerBound % max(dtype.bitCount / 8, 1) == 0
    }
}
