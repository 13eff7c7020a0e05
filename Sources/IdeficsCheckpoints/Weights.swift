// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
public import IdeficsTensor

/// A path into a checkpoint from which a model takes its tensors by name and shape.
///
/// `weights["self_attn"]["q_proj"].tensor("weight", shape: [n, k])` takes `self_attn.q_proj.weight`. Taking never
/// fails: what is missing or does not fit is noted and zeros are returned, so that one look at the checkpoint finds
/// everything that is wrong; `finish` then throws it all at once. All paths of one checkpoint share their notes.
public struct Weights: Sendable {
    /// Prefixes of names, joined by dots; empty at the root.
    public let path: String
    let ledger: WeightLedger
    /// Whether products with quantized weights leave the input as it is.
    let isExact: Bool
    /// Where a model of these weights lies.
    public let device: Device
    private let makeAdapter: AdapterMaker?

    /// Makes the adapter of the linear layer at `path` with a weight of `shape`; nil for none.
    public typealias AdapterMaker = @Sendable (_ path: String, _ shape: [Int]) -> LowRankAdapter?

    /// Entries of old checkpoints that today's models compute: skipped everywhere.
    public static let staleKeys = ["*.rotary_emb.inv_freq", "*.original_inv_freq", "*.position_ids"]

    /// The root of `source`.
    ///
    /// - Parameters:
    ///   - source: The checkpoint.
    ///   - isExact: Whether products with its quantized weights are those of the dequantized ones, at the price of speed.
    ///   - device: Where the model is to lie; on the CPU weights stay mapped as they are in the file.
    public init(_ source: any TensorSource, isExact: Bool = false, device: Device = .cpu) {
        self.init(path: "", ledger: WeightLedger(source), isExact: isExact, device: device)
    }

    /// The root of a checkpoint that does not exist: every tensor is made when it is taken.
    ///
    /// For benchmarks on shapes of any size, and for models that begin untrained.
    ///
    /// - Parameters:
    ///   - make: Makes the tensor of a name and shape.
    ///   - makeWeight: Makes the matrix of a linear layer; nil for what `make` makes.
    ///   - device: Where the model is to lie; what is made is copied there.
    public init(
        making make: @escaping @Sendable (_ name: String, _ shape: [Int]) -> Tensor,
        weights makeWeight: (@Sendable (_ name: String, _ shape: [Int]) -> Weight)? = nil,
        device: Device = .cpu
    ) {
        let ledger = WeightLedger(NoTensors(), make: make, makeWeight: makeWeight)
        self.init(path: "", ledger: ledger, isExact: false, device: device)
    }

    /// What a model takes from its checkpoint.
    public struct Parameter: Sendable, Equatable {
        /// Its name.
        public let name: String
        /// Sizes of the axes.
        public let shape: [Int]
        /// Whether it is a matrix that may be stored quantized.
        public let isWeight: Bool
    }

    /// What `take` takes, in its order; what it is given are zeros.
    ///
    /// A model's own initializer thus tells what its checkpoints hold.
    public static func listing(_ take: (Weights) -> Void) -> [Parameter] {
        let ledger = WeightLedger(NoTensors())
        take(Weights(path: "", ledger: ledger, isExact: false, device: .cpu))
        return ledger.taken
    }

    private init(
        path: String,
        ledger: WeightLedger,
        isExact: Bool,
        device: Device,
        makeAdapter: AdapterMaker? = nil
    ) {
        self.path = path
        self.ledger = ledger
        self.isExact = isExact
        self.device = device
        self.makeAdapter = makeAdapter
    }

    /// The same path, with adapters for linear layers from here on.
    public func adapted(by makeAdapter: @escaping AdapterMaker) -> Weights {
        Weights(path: path, ledger: ledger, isExact: isExact, device: device, makeAdapter: makeAdapter)
    }

    /// The adapter of the linear layer at this path, whose weight is of `shape`, `[outFeatures, inFeatures]`.
    public func adapter(shape: [Int]) -> LowRankAdapter? {
        makeAdapter?(path, shape)
    }

    /// The path below `component`.
    public subscript(_ component: String) -> Weights {
        Weights(path: fullName(component), ledger: ledger, isExact: isExact, device: device, makeAdapter: makeAdapter)
    }

    /// The path below the list element `index`.
    public subscript(_ index: Int) -> Weights {
        self[String(index)]
    }

    /// The name in the checkpoint of `name` at this path.
    public func fullName(_ name: String) -> String {
        path.isEmpty ? name : "\(path).\(name)"
    }

    /// Whether the checkpoint has the tensor `name` here.
    public func contains(_ name: String) -> Bool {
        ledger.source.contains(fullName(name))
    }

    /// What the checkpoint says of the tensor `name` here, nil when there is none.
    public func metadata(_ name: String) -> TensorMetadata? {
        ledger.source.metadata(named: fullName(name))
    }

    /// The tensor `name` here; zeros, and a note for `finish`, when it is missing or does not fit.
    ///
    /// - Parameters:
    ///   - name: The last part of its name.
    ///   - shape: What the model needs.
    ///   - dtypes: The element types the model can use.
    /// - Returns: A tensor of `shape` (of shape `[0]` if zeros of `shape` do not fit the address space).
    public func tensor(_ name: String, shape: [Int], dtypes: [DType] = [.f32, .bf16, .f16]) -> Tensor {
        hostTensor(name, shape: shape, dtypes: dtypes).to(device)
    }

    /// As `tensor`, as it lies in the file: parts of a matrix are put together before they go to the device.
    func hostTensor(_ name: String, shape: [Int], dtypes: [DType] = [.f32, .bf16, .f16]) -> Tensor {
        ledger.take(fullName(name), shape: shape, dtypes: dtypes)
    }

    /// As `tensor`, but nil without a note when the checkpoint has none of this name.
    ///
    /// - Parameters:
    ///   - name: The last part of its name.
    ///   - shape: What the model needs.
    ///   - dtypes: The element types the model can use.
    /// - Returns: A tensor of `shape` or nil.
    public func optionalTensor(
        _ name: String,
        shape: [Int],
        dtypes: [DType] = [.f32, .bf16, .f16]
    ) -> Tensor? {
        contains(name) ? tensor(name, shape: shape, dtypes: dtypes) : nil
    }

    /// Ends the taking: throws everything that was missing or did not fit, with what was left over.
    ///
    /// - Parameters:
    ///   - patterns: Names that may be left over, `*` standing for any text.
    ///   - allowsUnexpected: Whether left-over tensors alone are no error, as in transformers.
    /// - Returns: Names of the tensors that nobody took and no pattern matches, sorted.
    /// - Throws: `CheckpointError.mismatch`, or the first error of reading a tensor.
    @discardableResult
    public func finish(ignoring patterns: [String] = staleKeys, allowsUnexpected: Bool = true) throws -> [String] {
        try ledger.finish(ignoring: patterns.map { GlobPattern($0) }, allowsUnexpected: allowsUnexpected)
    }
}

/// A checkpoint without tensors.
private struct NoTensors: TensorSource {
    var tensorNames: [String] { [] }

    func metadata(named name: String) -> TensorMetadata? { nil }

    func tensor(named name: String) throws -> Tensor {
        throw CheckpointError.mismatch(missing: [name], unexpected: [], misshapen: [], mistyped: [])
    }
}
