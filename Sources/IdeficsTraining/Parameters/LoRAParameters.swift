// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import Idefics
import IdeficsCheckpoints
public import IdeficsFoundation
public import IdeficsTensor

/// Low-rank adapters are trained beside a frozen model, dense or quantized, and with them, if asked, some of its modules
/// in full (LoRA, arXiv:2106.09685; on NF4 it is QLoRA, arXiv:2305.14314).
///
/// Names of parameters are those of PEFT's file, which is what `export` writes.
public struct LoRAParameters: TrainableParameters {
    /// The architecture.
    public let config: IdeficsConfig
    /// The adapter's configuration as it will be stored: modules trained in full by their whole names.
    public let lora: LoRAConfig
    /// What is trained.
    public let parameters: [TrainableParameter]
    private let base: BaseModel
    private let layers: [String: [Int]]
    private let saved: [Weights.Parameter]
    private let start: LoRAAdapter?

    /// New adapters for the model in `directory`.
    ///
    /// - Parameters:
    ///   - directory: The model; its weights stay as they are stored.
    ///   - lora: Which layers get adapters and of what size.
    /// - Throws: What reading the model throws; `IdeficsError.config` when `lora` does not fit it.
    public init(directory: URL, lora: LoRAConfig) throws {
        let config = try ModelFiles(directory: directory).config()
        let targets = try LoRATargets(lora, for: config)
        var resolved = lora
        resolved.modulesToSave = targets.savedModules
        // PEFT's `all-linear` would mean other layers in another version; names mean the same everywhere.
        if lora.targetModules == .allLinear { resolved.targetModules = .names(targets.layers.map(\.path)) }
        try self.init(
            config,
            resolved,
            BaseModel(config, Checkpoint(directory: directory)),
            layers: Dictionary(targets.layers.map { ($0.path, $0.shape) }) { first, _ in first },
            saved: targets.savedParameters,
            start: nil
        )
    }

    /// The adapter in `adapter` is trained further, as it is: layers, ranks and modules in full are its own.
    ///
    /// - Parameters:
    ///   - directory: The model it was made for.
    ///   - adapter: As PEFT writes it.
    /// - Throws: What reading the two throws.
    public init(directory: URL, continuing adapter: URL) throws {
        let config = try ModelFiles(directory: directory).config()
        let start = try LoRAAdapter(directory: adapter, for: config)
        let shapes = Dictionary(
            IdeficsModel.parameters(of: config).map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        try self.init(
            config,
            start.config,
            BaseModel(config, Checkpoint(directory: directory)),
            layers: start.layers.mapValues { [$0.b.shape[0], $0.a.shape[1]] },
            saved: start.savedParameters.keys.compactMap { shapes[$0] },
            start: start
        )
    }

    private init(
        _ config: IdeficsConfig,
        _ lora: LoRAConfig,
        _ base: BaseModel,
        layers: [String: [Int]],
        saved: [Weights.Parameter],
        start: LoRAAdapter?
    ) {
        self.config = config
        self.lora = lora
        self.base = base
        self.layers = layers
        self.saved = saved
        self.start = start
        let adapters = layers.flatMap { path, shape in
            let rank = lora.rank(of: path)
            return [
                TrainableParameter(name: Self.aName(path), shape: [rank, shape[1]]),
                TrainableParameter(name: Self.bName(path), shape: [shape[0], rank]),
            ]
        }
        let others = saved.map { TrainableParameter(name: LoRAAdapter.prefix + $0.name, shape: $0.shape) }
        parameters = (adapters + others).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private static func aName(_ path: String) -> String { LoRAAdapter.prefix + path + LoRAAdapter.aSuffix }
    private static func bName(_ path: String) -> String { LoRAAdapter.prefix + path + LoRAAdapter.bSuffix }

    /// Where training begins: at the model as it is, or at the adapter that is continued.
    ///
    /// A begins as torch's linear layers do, B with zeros; modules in full begin with the model's values, dequantized
    /// where they are quantized.
    public func initialValues(seed: UInt64) throws -> [Tensor] {
        let started = start?.tensors ?? [:]
        return parameters.map { parameter in
            if let value = started[parameter.name] { return cast(value) }
            let own = String(parameter.name.dropFirst(LoRAAdapter.prefix.count))
            if let value = base.weights[own]?.values ?? base.tensors[own] { return cast(value) }
            return parameter.name.hasSuffix(LoRAAdapter.aSuffix)
                ? kaimingUniform(parameter, seed: seed) : Tensor.zeros(parameter.shape)
        }
    }

    /// The model with the adapters in `values`; in training with dropout on their inputs.
    public func model(_ values: [String: Tensor], pass: ParameterPass) throws -> IdeficsModel {
        var dropoutSeed: UInt64?
        if case .training(let seed, let step) = pass {
            var random = RandomStream(seed: seed, stream: step)
            dropoutSeed = random.next()
        }
        return base.model(config, with: adapter(values), dropoutSeed: dropoutSeed)
    }

    /// The adapter as PEFT stores it.
    public func export(_ values: [String: Tensor], to directory: StagedDirectory) throws {
        try adapter(values).write(to: directory)
    }

    /// The adapter of `values`.
    private func adapter(_ values: [String: Tensor]) -> LoRAAdapter {
        var updates: [String: LoRAAdapter.Layer] = [:]
        for path in layers.keys {
            guard let a = values[Self.aName(path)], let b = values[Self.bName(path)] else { continue }
            updates[path] = LoRAAdapter.Layer(a: a, b: b)
        }
        let others = saved.compactMap { parameter in
            values[LoRAAdapter.prefix + parameter.name].map { (parameter.name, $0) }
        }
        return LoRAAdapter(
            config: lora,
            layers: updates,
            savedParameters: Dictionary(others) { first, _ in first }
        )
    }
}

/// The parameters of a checkpoint, taken once: a model is made for every micro-batch, and some forms of weights have parts
/// that are computed when they are taken (bitsandbytes' scales).
private struct BaseModel {
    let tensors: [String: Tensor]
    let weights: [String: Weight]

    init(_ config: IdeficsConfig, _ checkpoint: Checkpoint) throws {
        let source = Weights(checkpoint, isExact: true)
        var (tensors, weights): ([String: Tensor], [String: Weight]) = ([:], [:])
        for parameter in IdeficsModel.parameters(of: config) {
            if parameter.isWeight {
                weights[parameter.name] = source.weight(parameter.name, shape: parameter.shape)
            } else {
                tensors[parameter.name] = source.tensor(parameter.name, shape: parameter.shape)
            }
        }
        try source.finish()
        (self.tensors, self.weights) = (tensors, weights)
    }

    /// The model of these parameters with what `adapter` adds to them and puts in their places.
    func model(_ config: IdeficsConfig, with adapter: LoRAAdapter, dropoutSeed: UInt64?) -> IdeficsModel {
        let saved = adapter.savedParameters
        let root = Weights(
            making: { name, shape in saved[name] ?? tensors[name] ?? Tensor.zeros(shape) },
            weights: { name, shape in
                saved[name].map { .dense($0) } ?? weights[name] ?? .dense(Tensor.zeros(shape))
            }
        )
        return IdeficsModel(config, root.adapted { path, _ in adapter.update(of: path, dropoutSeed: dropoutSeed) })
    }
}

/// Even numbers in ±1 / √inFeatures: `kaiming_uniform_` of torch with a = √5, as PEFT begins A.
///
/// Those of a parameter depend on the seed and its name, not on what else is drawn.
private func kaimingUniform(_ parameter: TrainableParameter, seed: UInt64) -> Tensor {
    var random = RandomStream(seed: seed, stream: stableHash(parameter.name))
    let bound = 1 / Double(parameter.shape[1]).squareRoot()
    return Tensor(
        (0..<parameter.count).map { _ in Float((2 * random.uniform() - 1) * bound) },
        shape: parameter.shape
    )
}
