// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
public import IdeficsTensor

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Writes a checkpoint tensor by tensor: one `model.safetensors`, or shards and their index as transformers saves them.
///
/// What is to come is declared first, which settles the shards; then tensors are written in the order declared, and no
/// more than the one at hand is in memory. A shard appears at its place when its last tensor is written, the index at
/// the end.
public final class CheckpointWriter {
    /// Bytes of a shard, unless told otherwise: what transformers 4 uses.
    public static let defaultShardByteCount = 5_000_000_000

    private struct Shard {
        var fileName = ""
        var tensors: [SafetensorsWriter.Declaration] = []
        var byteCount = 0
        /// Whether an earlier run wrote it.
        var isFinished = false
    }

    private let directory: URL
    private let metadata: [String: String]
    private var shards: [Shard] = []
    private let totalByteCount: Int
    private let finishedNames: Set<String>
    private var current: SafetensorsWriter?
    private var shard = 0
    private var place = 0

    /// Begins a checkpoint of `tensors` in `directory`, which must exist.
    ///
    /// - Parameters:
    ///   - directory: where the files go.
    ///   - tensors: what is to come, in the order it comes.
    ///   - shardByteCount: a shard takes no more, unless one tensor alone does.
    ///   - metadata: for the header of each file.
    ///   - keepsFinishedShards: whether shards that are there already, of the same tensors, need not be written again;
    ///     `needs` tells which tensors are to be written then.
    /// - Throws: `CheckpointError.unwritable` when a shape is too large.
    public init(
        _ directory: URL,
        tensors: [SafetensorsWriter.Declaration],
        shardByteCount: Int = defaultShardByteCount,
        metadata: [String: String] = ["format": "pt"],
        keepsFinishedShards: Bool = false
    ) throws {
        self.directory = directory
        self.metadata = metadata
        var shards: [Shard] = []
        var total = 0
        for tensor in tensors {
            guard let byteCount = StoredDType(tensor.dtype).byteCount(of: tensor.shape),
                byteCount <= Int.max / 2 - total
            else {
                throw CheckpointError.unwritable(
                    file: directory.path,
                    reason: "\(tensor.name): \(tensor.shape) is too large"
                )
            }
            total += byteCount
            if shards.last.map({ $0.byteCount > shardByteCount - byteCount }) ?? true { shards.append(Shard()) }
            shards[shards.count - 1].tensors.append(tensor)
            shards[shards.count - 1].byteCount += byteCount
        }
        for index in shards.indices { shards[index].fileName = Self.fileName(index, of: shards.count) }
        if keepsFinishedShards {
            for index in shards.indices { shards[index].isFinished = Self.isFinished(shards[index], in: directory) }
        }
        self.shards = shards
        totalByteCount = total
        finishedNames = Set(shards.filter(\.isFinished).flatMap { $0.tensors.map(\.name) })
        skipFinished()
    }

    /// Whether the tensor `name` is still to be written.
    public func needs(_ name: String) -> Bool { !finishedNames.contains(name) }

    /// The tensor `name` as an earlier run wrote it.
    ///
    /// - Throws: `CheckpointError`, also when it is still to be written.
    public func finishedTensor(_ name: String) throws -> Tensor {
        guard let shard = shards.first(where: { $0.isFinished && $0.tensors.contains { $0.name == name } }) else {
            throw unwritable("\(name) has not been written yet")
        }
        return try SafetensorsFile(directory.appending(path: shard.fileName)).tensor(named: name)
    }

    /// Whether the file of `shard` holds its tensors; files appear whole, so then it is done.
    private static func isFinished(_ shard: Shard, in directory: URL) -> Bool {
        guard let file = try? SafetensorsFile(directory.appending(path: shard.fileName)) else { return false }
        return file.tensorNames.count == shard.tensors.count
            && shard.tensors.allSatisfy { tensor in
                let metadata = file.metadata(named: tensor.name)
                return metadata?.shape == tensor.shape && metadata?.dtype.dtype == tensor.dtype
            }
    }

    private func skipFinished() {
        while shard < shards.count, shards[shard].isFinished { shard += 1 }
    }

    private static func fileName(_ index: Int, of count: Int) -> String {
        func five(_ number: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        }
        return count == 1 ? "model.safetensors" : "model-\(five(index + 1))-of-\(five(count)).safetensors"
    }

    /// Writes the next tensor.
    ///
    /// - Throws: `CheckpointError.unwritable`, also when it is not the one declared to be next.
    public func write(_ tensor: Tensor, named name: String) throws {
        guard shard < shards.count else { throw unwritable("\(name) was not declared") }
        let file = shards[shard]
        let expected = file.tensors[place]
        guard expected.name == name, expected.shape == tensor.shape, expected.dtype == tensor.dtype else {
            throw unwritable("\(name) \(tensor.shape) came where \(expected.name) \(expected.shape) was declared")
        }
        let writer =
            try current
            ?? SafetensorsWriter(directory.appending(path: file.fileName), tensors: file.tensors, metadata: metadata)
        current = writer
        try tensor.toHost().withUnsafeBytes { try writer.append($0, to: name) }
        place += 1
        guard place == file.tensors.count else { return }
        try writer.finish()
        current = nil
        shard += 1
        place = 0
        skipFinished()
    }

    /// Writes the index, if there are several files.
    ///
    /// - Throws: `CheckpointError.unwritable`, also when a tensor has not been written.
    public func finish() throws {
        guard shard == shards.count else { throw unwritable("\(shards[shard].tensors[place].name) was not written") }
        guard shards.count > 1 else { return }
        var weightMap: [String: String] = [:]
        for file in shards {
            for tensor in file.tensors { weightMap[tensor.name] = file.fileName }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let index = Index(metadata: Index.Metadata(total_size: totalByteCount), weight_map: weightMap)
        try CheckpointError.writing {
            try AtomicFile.write(encoder.encode(index), to: directory.appending(path: "model.safetensors.index.json"))
        }
    }

    /// The index file; its names are those of the file.
    private struct Index: Encodable {
        struct Metadata: Encodable {
            let total_size: Int  // swift-format-ignore: AlwaysUseLowerCamelCase
        }

        let metadata: Metadata
        let weight_map: [String: String]  // swift-format-ignore: AlwaysUseLowerCamelCase
    }

    private func unwritable(_ reason: String) -> CheckpointError {
        .unwritable(file: directory.path, reason: reason)
    }
}
