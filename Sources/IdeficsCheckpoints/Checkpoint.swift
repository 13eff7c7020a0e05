// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
public import IdeficsTensor

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// The weights of a model: one file, or shards listed by an index; safetensors or `torch.save`.
///
/// Opening reads headers only. Tensors are views of the mapped files, whose pages are read when first touched.
public final class Checkpoint: TensorSource {
    /// What a directory is searched for, in the order of preference that transformers has.
    public static let fileNames = [
        "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
    ]

    /// The file the checkpoint was opened through: the weights, or the index of the shards.
    public let url: URL
    /// All names, sorted.
    public let tensorNames: [String]
    /// Names of the files with weights, sorted.
    public let weightFileNames: [String]
    private let files: [String: any TensorSource]
    private let fileNameByTensor: [String: String]

    /// Opens the checkpoint in `directory`.
    ///
    /// - Throws: `CheckpointError`; `noCheckpoint` when there are no weights.
    public convenience init(directory: URL) throws {
        let candidates = Self.fileNames.map { directory.appending(path: $0) }
        guard let url = candidates.first(where: { Files.exists($0) }) else {
            throw CheckpointError.noCheckpoint(directory: directory.path)
        }
        try self.init(file: url)
    }

    /// Opens the checkpoint whose weights, or index of shards (`*.json`), are `url`.
    ///
    /// - Throws: `CheckpointError`.
    public init(file url: URL) throws {
        self.url = url
        if url.pathExtension == "json" {
            let index = try FileContents(mapping: url).withUnsafeBytes { try ShardIndex($0, file: url.path) }
            fileNameByTensor = index.fileNames
            files = try Self.shards(index, beside: url)
        } else {
            let file = try Self.open(FileContents(mapping: url))
            files = [url.lastPathComponent: file]
            fileNameByTensor = Dictionary(
                uniqueKeysWithValues: file.tensorNames.map { ($0, url.lastPathComponent) }
            )
        }
        tensorNames = fileNameByTensor.keys.sorted()
        weightFileNames = files.keys.sorted()
    }

    /// Opens every file the index names and checks that each holds what the index says.
    private static func shards(_ index: ShardIndex, beside url: URL) throws -> [String: any TensorSource] {
        var files: [String: any TensorSource] = [:]
        for (name, fileName) in index.fileNames.sorted(by: { $0.key < $1.key }) {
            if files[fileName] == nil {
                files[fileName] = try open(
                    FileContents(mapping: url.deletingLastPathComponent().appending(path: fileName))
                )
            }
            guard files[fileName]?.contains(name) == true else {
                throw CheckpointError.malformed(
                    file: url.path,
                    field: "index.weight_map[\"\(name)\"]",
                    reason: "\(fileName) has no tensor of this name"
                )
            }
        }
        return files
    }

    /// Opens one file of weights by what it begins with: names say less than they should.
    package static func open(_ contents: FileContents) throws -> any TensorSource {
        let isPyTorch = contents.withUnsafeBytes { bytes in
            if PyTorchFile.isArchive(bytes) || PyTorchFile.isLegacy(bytes) { return true }
            if bytes.count > 8, bytes[8] == UInt8(ascii: "{") { return false }
            return contents.url.pathExtension == "bin"
        }
        return isPyTorch ? try PyTorchFile(contents) : try SafetensorsFile(contents)
    }

    /// What the headers say of the tensor `name`; nil when there is none.
    public func metadata(named name: String) -> TensorMetadata? {
        fileNameByTensor[name].flatMap { files[$0]?.metadata(named: name) }
    }

    /// The tensor `name`, mapped where possible.
    ///
    /// - Throws: `CheckpointError.missingTensor`, or `unsupported` when the engine has no such element type.
    public func tensor(named name: String) throws -> Tensor {
        guard let fileName = fileNameByTensor[name], let file = files[fileName] else {
            throw CheckpointError.missingTensor(file: url.path, name: name)
        }
        return try file.tensor(named: name)
    }
}
