// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsTensor

/// A checkpoint of random weights for a configuration, written tensor by tensor.
struct BenchCheckpoint {
    let config: IdeficsConfig
    let options: QuantizationOptions
    private let gate: Float
    private let random: RandomWeights

    /// Bytes of all parameters of a model.
    static func byteCount(_ config: IdeficsConfig, dtype: DType, options: QuantizationOptions) -> Int {
        Weights.listing { _ = IdeficsModel(config, $0) }.reduce(0) { sum, parameter in
            guard parameter.isWeight, let format = options.format(of: parameter.name) else {
                return sum + parameter.shape.reduce(dtype.byteCount, *)
            }
            return sum + QuantizedTensor.codeByteCount(format, shape: parameter.shape)
                + QuantizedTensor.scaleCount(format, shape: parameter.shape)
                * QuantizedTensor.scaleType(format).byteCount
        }
    }

    /// A checkpoint of `architecture` whose parts have the formats of `options` and are of `dtype` otherwise.
    init(_ architecture: BenchArchitecture, layers: Int, dtype: DType, options: QuantizationOptions) {
        config = architecture.config(layers: layers)
        gate = architecture.gate
        self.options = options
        random = RandomWeights(dtype)
    }

    /// Writes `config.json` and the weights into `directory`, which must exist.
    ///
    /// - Throws: `CheckpointError.unwritable`, or what writing the configuration throws.
    func write(to directory: URL) throws {
        try config.json(dtype: random.dtype).write(to: directory.appending(path: "config.json"))
        let parameters = Weights.listing { _ = IdeficsModel(config, $0) }
        let writer = try CheckpointWriter(directory, tensors: parameters.flatMap(declarations))
        for parameter in parameters {
            for (declaration, tensor) in zip(declarations(parameter), tensors(parameter)) {
                try writer.write(tensor, named: declaration.name)
            }
        }
        try writer.finish()
    }

    private func declarations(_ parameter: Weights.Parameter) -> [SafetensorsWriter.Declaration] {
        guard parameter.isWeight, let format = options.format(of: parameter.name) else {
            return [.init(name: parameter.name, dtype: random.dtype, shape: parameter.shape)]
        }
        return [
            .init(
                name: Weights.codesName(parameter.name, format),
                dtype: .u8,
                shape: [QuantizedTensor.codeByteCount(format, shape: parameter.shape)]
            ),
            .init(
                name: Weights.scalesName(parameter.name),
                dtype: QuantizedTensor.scaleType(format),
                shape: [QuantizedTensor.scaleCount(format, shape: parameter.shape)]
            ),
        ]
    }

    private func tensors(_ parameter: Weights.Parameter) -> [Tensor] {
        guard parameter.isWeight, let format = options.format(of: parameter.name) else {
            return [random.parameter(parameter.name, parameter.shape, gate: gate)]
        }
        let tensor = random.quantizedTensor(format, parameter.shape)
        return [tensor.codes, tensor.scales]
    }
}
