// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import IdeficsTensor

/// What has been taken from a checkpoint and what was wrong with it, shared by all `Weights` of that checkpoint.
final class WeightLedger: Sendable {
    let source: any TensorSource
    private let notes = Locked(Notes())

    private struct Notes {
        var used: Set<String> = []
        var taken: [Weights.Parameter] = []
        var matrices: [(name: String, weight: Weight)] = []
        // Keyed by name: a tensor taken twice is reported once.
        var missing: Set<String> = []
        var misshapen: [String: MisshapenTensor] = [:]
        var mistyped: [String: MistypedTensor] = [:]
        var failure: (any Error)?
        var zeros: ZeroMemory?
    }

    private let make: (@Sendable (String, [Int]) -> Tensor)?
    /// Makes matrices of linear layers where there is no checkpoint.
    let makeWeight: (@Sendable (String, [Int]) -> Weight)?

    init(
        _ source: any TensorSource,
        make: (@Sendable (String, [Int]) -> Tensor)? = nil,
        makeWeight: (@Sendable (String, [Int]) -> Weight)? = nil
    ) {
        self.source = source
        self.make = make
        self.makeWeight = makeWeight
    }

    /// Everything asked for so far, in order.
    var taken: [Weights.Parameter] { notes.withLock { $0.taken } }

    /// The matrices of linear layers and embeddings given out so far, in order.
    var matrices: [(name: String, weight: Weight)] { notes.withLock { $0.matrices } }

    /// Notes that `weight` was given out as the matrix `name`.
    func record(_ name: String, _ weight: Weight) {
        notes.withLock { $0.matrices.append((name, weight)) }
    }

    /// The tensor `name`, or zeros and a note.
    func take(_ name: String, shape: [Int], dtypes: [DType], isWeight: Bool = false) -> Tensor {
        if let make { return make(name, shape) }
        return notes.withLock { notes in
            notes.used.insert(name)
            notes.taken.append(.init(name: name, shape: shape, isWeight: isWeight))
            if let metadata = source.metadata(named: name) {
                let fitsType = metadata.dtype.dtype.map(dtypes.contains) ?? false
                if metadata.shape != shape {
                    notes.misshapen[name] = MisshapenTensor(name: name, expected: shape, found: metadata.shape)
                }
                if !fitsType {
                    notes.mistyped[name] = MistypedTensor(name: name, expected: dtypes, found: metadata.dtype)
                }
                if metadata.shape == shape, fitsType {
                    do {
                        return try source.tensor(named: name)
                    } catch {
                        notes.failure = notes.failure ?? error
                    }
                }
            } else {
                notes.missing.insert(name)
            }
            return zeros(shape, dtypes.first ?? .f32, &notes.zeros)
        }
    }

    /// The bytes of the tensor `name`, which has been looked up; or zeros and a note.
    func takeBytes(_ name: String, _ metadata: TensorMetadata) -> Tensor {
        notes.withLock { notes in
            notes.used.insert(name)
            notes.taken.append(.init(name: name, shape: metadata.shape, isWeight: false))
            do {
                return try source.bytes(named: name)
            } catch {
                notes.failure = notes.failure ?? error
                return zeros([metadata.byteCount], .u8, &notes.zeros)
            }
        }
    }

    /// Notes what is wrong beyond names, shapes and types; the first of all is thrown at the end.
    func note(_ failure: any Error) {
        notes.withLock { $0.failure = $0.failure ?? failure }
    }

    /// Stands for a matrix that cannot be read, which has been noted.
    var unreadableWeight: Weight { .dense(Tensor(shape: [0, 0], dtype: .f32, storage: TensorStorage(byteCount: 0))) }

    /// A stand-in that lets a model be built: it is never computed with, for `finish` throws.
    private func zeros(_ shape: [Int], _ dtype: DType, _ memory: inout ZeroMemory?) -> Tensor {
        guard let byteCount = StoredDType(dtype).byteCount(of: shape) else {
            return Tensor(shape: [0], dtype: dtype, storage: TensorStorage(byteCount: 0))
        }
        if memory.map({ $0.byteCount < byteCount }) ?? true {
            guard let larger = ZeroMemory(byteCount: byteCount) else {
                return Tensor(shape: [0], dtype: dtype, storage: TensorStorage(byteCount: 0))
            }
            memory = larger
        }
        return memory?.tensor(shape: shape, dtype: dtype)
            ?? Tensor(shape: [0], dtype: dtype, storage: TensorStorage(byteCount: 0))
    }

    func finish(ignoring patterns: [GlobPattern], allowsUnexpected: Bool) throws -> [String] {
        try notes.withLock { notes in
            let unexpected = source.tensorNames.filter { name in
                !notes.used.contains(name) && !patterns.contains { $0.matches(name) }
            }
            let isWhole = notes.missing.isEmpty && notes.misshapen.isEmpty && notes.mistyped.isEmpty
            if let reason = notes.missing.sorted().lazy.compactMap(self.source.reasonForMissing).first { throw reason }
            let misfits = notes.missing.union(notes.misshapen.keys).union(notes.mistyped.keys)
            if let foreign = ForeignQuantization(of: misfits, in: source) { throw foreign.error }
            guard isWhole, allowsUnexpected || unexpected.isEmpty else {
                throw CheckpointError.mismatch(
                    missing: notes.missing.sorted(),
                    unexpected: unexpected,
                    misshapen: notes.misshapen.values.sorted { $0.name < $1.name },
                    mistyped: notes.mistyped.values.sorted { $0.name < $1.name }
                )
            }
            if let failure = notes.failure { throw failure }
            return unexpected
        }
    }
}
