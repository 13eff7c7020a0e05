// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsTensor

/// A checkpoint of random weights for a configuration, written tensor by tensor.
struct RandomCheckpoint {
    let config: IdeficsConfig
    let options: QuantizationOptions
    private let dtype: DType
    private let gate: Float

    /// A checkpoint of `config` whose parts have the formats of `options` and are of `dtype` otherwise; every gate is
    /// `gate` before its tanh.
    init(_ config: IdeficsConfig, dtype: DType, options: QuantizationOptions, gate: Float) {
        self.config = config
        self.options = options
        self.dtype = dtype
        self.gate = gate
    }

    /// Bytes of the weights.
    var byteCount: Int {
        plan.byteCount
    }

    /// Writes `config.json` and the weights into `directory`, which must exist.
    ///
    /// - Throws: `CheckpointError.unwritable`, or what writing the configuration throws.
    func write(to directory: URL) throws {
        try config.json(dtype: dtype).write(to: directory.appending(path: "config.json"))
        let random = RandomWeights(dtype)
        try plan.write(to: directory) { tensors($0, random) }
    }

    private var plan: CheckpointPlan<Weights.Parameter> {
        CheckpointPlan(
            IdeficsModel.parameters(of: config).map { parameter in
                let format = parameter.isWeight ? options.format(of: parameter.name) : nil
                return .init(parameter, parameter.declarations(format: format, dtype: dtype))
            }
        )
    }

    private func tensors(_ parameter: Weights.Parameter, _ random: RandomWeights) -> [Tensor] {
        guard parameter.isWeight, let format = options.format(of: parameter.name) else {
            return [random.parameter(parameter.name, parameter.shape, gate: gate)]
        }
        let tensor = random.quantizedTensor(format, parameter.shape)
        return [tensor.codes, tensor.scales]
    }
}
