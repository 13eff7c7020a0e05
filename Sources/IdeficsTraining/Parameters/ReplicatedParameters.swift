// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import Idefics
public import IdeficsTensor

/// All parameters, whole, in the memory of this machine.
public struct ReplicatedParameters: ParameterStore {
    /// What is trained.
    public let parameters: [TrainableParameter]
    /// Values of the parameters, f32, in their order.
    package internal(set) var values: [Tensor]
    /// What the optimizer remembers of them.
    package internal(set) var moments: [Moments]
    /// Sums of gradients; nil where no loss of the step depends on the parameter.
    package private(set) var gradients: [Tensor?]

    let rule: any OptimizerRule
    private let groups: ParameterGroups
    private let members: [BlockName: [Int]]

    /// The parameters of `trainable`, stepped as `config` says.
    ///
    /// - Parameters:
    ///   - trainable: what is trained.
    ///   - config: the optimizer's numbers, and the seed of values that begin at random.
    ///   - checkpoint: the folder of a checkpoint where the values are; nil for those before the first step.
    /// - Throws: what reading the model or the checkpoint throws.
    public init(
        _ trainable: any TrainableParameters,
        config: TrainingConfig,
        checkpoint: URL? = nil
    ) throws {
        self.init(
            trainable.parameters,
            values: checkpoint == nil ? try trainable.initialValues(seed: config.seed) : [],
            rule: AdamW(config),
            groups: ParameterGroups(names: trainable.parameters.map(\.name), config: config),
            hasMoments: checkpoint == nil
        )
        if let checkpoint { try read(from: checkpoint) }
    }

    /// Parameters of these `values`; for tests and for a rule of one's own.
    package init(
        _ parameters: [TrainableParameter],
        values: [Tensor],
        rule: any OptimizerRule,
        groups: ParameterGroups,
        hasMoments: Bool = true
    ) {
        self.parameters = parameters
        self.values = values
        self.rule = rule
        self.groups = groups
        moments =
            hasMoments
            ? parameters.map { Moments(rule.momentKind(of: $0.name, count: $0.count), shape: $0.shape) } : []
        gradients = Array(repeating: nil, count: parameters.count)
        members = Dictionary(grouping: parameters.indices) { ParameterName(parameters[$0].name).block }
    }

    /// The values, which are always here.
    public func gather(_ block: BlockName) -> [String: Tensor] {
        Dictionary(uniqueKeysWithValues: (members[block] ?? []).map { (parameters[$0].name, values[$0]) })
    }

    /// Nothing to do: the values stay.
    public func release(_ block: BlockName) {}

    /// Drops all gradients.
    public mutating func zeroGradients() {
        gradients = Array(repeating: nil, count: parameters.count)
    }

    /// Adds gradients; the first ones are taken over as they are.
    public mutating func add(_ gradients: [String: Tensor], of block: BlockName) {
        for index in members[block] ?? [] {
            guard let gradient = gradients[parameters[index].name] else { continue }
            // Taken out: sums are added to in place where nobody else holds them.
            if var sum = self.gradients[index].take() {
                accumulate(gradient, into: &sum)
                self.gradients[index] = sum
            } else {
                self.gradients[index] = gradient
            }
        }
    }

    /// The root of the sum of squares over all parameters, in their order.
    public func gradientNorm() -> Double {
        gradients.reduce(0) { $0 + ($1.map(squaredNorm) ?? 0) }.squareRoot()
    }

    /// Updates all parameters, in their order; each gradient's memory is free when its parameter is done.
    public mutating func step(_ step: OptimizerStep) {
        for (index, parameter) in parameters.enumerated() {
            let gradient = gradients[index].take()
            guard parameter.isInGraph else { continue }
            rule.update(
                &values[index],
                moments: &moments[index],
                gradient: gradient ?? .zeros(parameter.shape),
                group: groups[index],
                step: step
            )
        }
    }
}

extension TrainableParameter {
    /// Whether a loss can depend on it: whether torch's gradient of it is a tensor, if only of zeros.
    ///
    /// Transformers runs every part of the model in each step: a batch without images has one of zeros, which no token
    /// sees. Only the norm after the vision tower leads nowhere.
    fileprivate var isInGraph: Bool { !name.contains("vision_model.post_layernorm.") }
}
