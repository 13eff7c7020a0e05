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
        IdeficsModel.parameters(of: config).flatMap(declarations).reduce(0) { $0 + $1.byteCount }
    }

    /// Writes `config.json` and the weights into `directory`, which must exist.
    ///
    /// - Throws: `CheckpointError.unwritable`, or what writing the configuration throws.
    func write(to directory: URL) throws {
        try config.json(dtype: dtype).write(to: directory.appending(path: "config.json"))
        let parameters = IdeficsModel.parameters(of: config)
        let writer = try CheckpointWriter(directory, tensors: parameters.flatMap(declarations))
        let random = RandomWeights(dtype)
        for parameter in parameters {
            for (declaration, tensor) in zip(declarations(parameter), tensors(parameter, random)) {
                try writer.write(tensor, named: declaration.name)
            }
        }
        try writer.finish()
    }

    private func declarations(_ parameter: Weights.Parameter) -> [SafetensorsWriter.Declaration] {
        let format = parameter.isWeight ? options.format(of: parameter.name) : nil
        return parameter.declarations(format: format, dtype: dtype)
    }

    private func tensors(_ parameter: Weights.Parameter, _ random: RandomWeights) -> [Tensor] {
        guard parameter.isWeight, let format = options.format(of: parameter.name) else {
            return [random.parameter(parameter.name, parameter.shape, gate: gate)]
        }
        let tensor = random.quantizedTensor(format, parameter.shape)
        return [tensor.codes, tensor.scales]
    }
}
