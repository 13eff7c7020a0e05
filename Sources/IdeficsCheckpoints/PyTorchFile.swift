// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// One file of `torch.save` (a zip archive since torch 1.6) with a state dict, mapped; nothing in it is executed.
///
/// Contiguous tensors are views of the map, and tensors that share a storage share their bytes. Others (transposed,
/// sliced with gaps: `TensorMetadata.isMapped` is false) are gathered on the heap each time they are loaded.
public final class PyTorchFile: TensorSource {
    /// The file.
    public let url: URL
    /// All names, sorted.
    public let tensorNames: [String]
    private let contents: FileContents
    private let views: [String: StridedView]

    /// Opens the file at `url` and checks its archive, its pickle and every tensor's place.
    ///
    /// - Throws: `CheckpointError`.
    public convenience init(_ url: URL) throws {
        try self.init(FileContents(mapping: url))
    }

    init(_ contents: FileContents) throws {
        let file = contents.url.path
        let views = try contents.withUnsafeBytes { try Self.views($0, file: file) }
        self.contents = contents
        self.views = views
        url = contents.url
        tensorNames = views.keys.sorted()
    }

    /// Whether `bytes` begin as a zip archive does and as no safetensors file can.
    static func isArchive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.starts(with: [0x50, 0x4B, 3, 4]) && bytes.count > 8 && bytes[8] != UInt8(ascii: "{")
    }

    /// Whether `bytes` begin as a pickle: torch's format before 1.6.
    static func isLegacy(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count > 2 && bytes[0] == 0x80 && 2...5 ~= bytes[1] && bytes[2] == 0x8A
    }

    private static func views(_ bytes: UnsafeRawBufferPointer, file: String) throws -> [String: StridedView] {
        if isLegacy(bytes) {
            throw CheckpointError.unsupported(
                file: file,
                field: "format",
                reason: "torch's format before 1.6 is not read; save it again with torch.save of torch 1.6 or newer"
            )
        }
        let archive = try ZipArchive(bytes, file: file)
        let pickles = archive.members.keys.filter { $0.hasSuffix("/data.pkl") && $0.split(separator: "/").count == 2 }
        guard pickles.count == 1, let pickle = archive.members[pickles[0]] else {
            throw CheckpointError.malformed(
                file: file,
                field: "data.pkl",
                reason: "\(pickles.count) members of this name; this is no file of torch.save"
            )
        }
        let root = pickles[0].dropLast("data.pkl".count)
        if let order = archive.members[root + "byteorder"], !bytes[order].elementsEqual("little".utf8) {
            throw CheckpointError.unsupported(file: file, field: "byteorder", reason: "only little-endian is read")
        }
        if archive.members[root + "constants.pkl"] != nil {
            throw CheckpointError.unsupported(file: file, field: "constants.pkl", reason: "TorchScript is not read")
        }
        let stateDict = try PickleInterpreter.stateDict(UnsafeRawBufferPointer(rebasing: bytes[pickle]), file: file)
        var views: [String: StridedView] = [:]
        for (name, tensor) in stateDict {
            let member = archive.members[root + "data/" + tensor.storage.key]
            views[name] = try StridedView(tensor, in: member, field: "data.pkl[\"\(name)\"]", file: file)
        }
        return views
    }

    /// What the headers say of the tensor `name`; nil when there is none.
    public func metadata(named name: String) -> TensorMetadata? {
        views[name].map { view in
            TensorMetadata(
                name: name,
                dtype: view.dtype,
                shape: view.shape,
                byteCount: view.byteCount,
                fileName: url.lastPathComponent,
                isMapped: view.mappedRange != nil
            )
        }
    }

    /// The bytes of the tensor `name`: a view of the map where it is contiguous and aligned, else gathered on the heap.
    ///
    /// - Throws: `CheckpointError.missingTensor`.
    public func bytes(named name: String) throws -> Tensor {
        guard let view = views[name] else { throw CheckpointError.missingTensor(file: url.path, name: name) }
        if let range = view.mappedRange {
            return Tensor(shape: [range.count], dtype: .u8, storage: contents.storage, byteOffset: range.lowerBound)
        }
        return contents.withUnsafeBytes { bytes in
            Tensor(uninitialized: [view.byteCount], dtype: .u8) { view.gather(from: bytes, to: $0) }
        }
    }

    /// The tensor `name`: a view of the map where it is contiguous and aligned, else gathered on the heap.
    ///
    /// - Throws: `CheckpointError.missingTensor`, or `unsupported` when the engine has no such element type.
    public func tensor(named name: String) throws -> Tensor {
        guard let view = views[name] else { throw CheckpointError.missingTensor(file: url.path, name: name) }
        guard let dtype = view.dtype.dtype else {
            throw CheckpointError.unsupported(
                file: url.path,
                field: name,
                reason: "elements of type \(view.dtype.rawValue) can be listed but not loaded"
            )
        }
        if let range = view.mappedRange {
            return Tensor(
                shape: view.shape,
                dtype: dtype,
                storage: contents.storage,
                byteOffset: range.lowerBound
            )
        }
        return contents.withUnsafeBytes { bytes in
            Tensor(uninitialized: view.shape, dtype: dtype) { view.gather(from: bytes, to: $0) }
        }
    }
}
