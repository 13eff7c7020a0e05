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
    /// Files that the index names and that are not there, or hold nothing.
    private let missingFiles: [String: CheckpointError]
    private let fileNameByMissingTensor: [String: String]

    /// Opens the checkpoint in `directory`.
    ///
    /// - Throws: `CheckpointError`; `noCheckpoint` when there are no weights.
    public convenience init(directory: URL) throws {
        let candidates = Self.fileNames.map { directory.appending(path: $0) }
        guard let url = candidates.first(where: { Files.exists($0) }) else {
            let names = (try? Files.names(in: directory.path)) ?? []
            if let name = names.filter({ $0.hasSuffix(".gguf") }).min() {
                throw CheckpointError.unsupported(
                    file: directory.appending(path: name).path,
                    field: "format",
                    reason: "GGUF of llama.cpp is not read; use the model in Hugging Face's format"
                )
            }
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
            let (found, missing) = try Self.shards(index, beside: url)
            (files, missingFiles) = (found, missing)
            fileNameByTensor = Self.places(index, found)
            fileNameByMissingTensor = index.fileNames.filter { missing[$0.value] != nil }
        } else {
            let file = try Self.open(FileContents(mapping: url))
            files = [url.lastPathComponent: file]
            fileNameByTensor = Dictionary(
                uniqueKeysWithValues: file.tensorNames.map { ($0, url.lastPathComponent) }
            )
            (missingFiles, fileNameByMissingTensor) = ([:], [:])
        }
        tensorNames = fileNameByTensor.keys.sorted()
        weightFileNames = files.keys.sorted()
    }

    /// Opens every file the index names, and tells why those that are as good as not there cannot be read.
    ///
    /// - Throws: `CheckpointError` for files that hold something that cannot be read, and when no file is there.
    private static func shards(
        _ index: ShardIndex,
        beside url: URL
    ) throws -> (files: [String: any TensorSource], missing: [String: CheckpointError]) {
        var files: [String: any TensorSource] = [:]
        var missing: [String: CheckpointError] = [:]
        for fileName in Set(index.fileNames.values).sorted() {
            let file = url.deletingLastPathComponent().appending(path: fileName)
            do {
                files[fileName] = try open(FileContents(mapping: file))
            } catch let error as CheckpointError where isAbsent(file, error) {
                missing[fileName] = error
            }
        }
        if files.isEmpty, let first = missing.min(by: { $0.key < $1.key }) { throw first.value }
        return (files, missing)
    }

    /// Whether nothing is there, be it for a link that leads nowhere; or an empty file, or what Git LFS left.
    private static func isAbsent(_ file: URL, _ error: CheckpointError) -> Bool {
        if case .unreadable(_, let reason) = error, reason == GitLFS.pointerReason { return true }
        return Files.status(file.path) == nil || Files.size(file.path) == 0
    }

    /// The file of each tensor: the one the index names, if it is there, else any that has it.
    ///
    /// Indexes are written once and shards edited later: an entry without a tensor is no fault unless somebody needs the
    /// tensor, and one without an entry is there all the same, as in transformers.
    private static func places(_ index: ShardIndex, _ files: [String: any TensorSource]) -> [String: String] {
        var places = index.fileNames.filter { files[$0.value]?.contains($0.key) == true }
        for (fileName, file) in files.sorted(by: { $0.key < $1.key }) {
            for name in file.tensorNames where places[name] == nil { places[name] = fileName }
        }
        return places
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
        try file(of: name).tensor(named: name)
    }

    /// The bytes of the tensor `name`, whatever its elements are.
    ///
    /// - Throws: `CheckpointError.missingTensor`.
    public func bytes(named name: String) throws -> Tensor {
        try file(of: name).bytes(named: name)
    }

    private func file(of name: String) throws -> any TensorSource {
        guard let fileName = fileNameByTensor[name], let file = files[fileName] else {
            throw reasonForMissing(name) ?? CheckpointError.missingTensor(file: url.path, name: name)
        }
        return file
    }

    /// Why a tensor that should be there is not, for its file is not; nil when nothing is known of it.
    public func reasonForMissing(_ name: String) -> (any Error)? {
        fileNameByMissingTensor[name].flatMap { missingFiles[$0] }
    }
}
