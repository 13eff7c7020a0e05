// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor
import IdeficsTraining
import Testing

@Suite struct MomentsTests {
    private static func addresses(_ state: TrainingState) throws -> [UnsafeRawPointer?] {
        let state = try #require(state.parameters as? ReplicatedParameters)
        let tensors: [Tensor] =
            state.values
            + state.moments.flatMap { moments -> [Tensor] in
                switch moments {
                case .f32(let first, let second): [first, second]
                case .dynamic(let first, let second): [first.codes, first.scales, second.codes, second.scales]
                case .taken: []
                }
            }
        return tensors.map { $0.withUnsafeBytes { $0.baseAddress } }
    }

    /// A step changes parameters and moments where they lie: copies would double the memory of a run.
    @Test(arguments: TrainingConfig.Optimizer.allCases)
    func stepsAreMadeInPlace(optim: TrainingConfig.Optimizer) throws {
        let parameters = [TrainableParameter(name: "a", shape: [64, 80]), TrainableParameter(name: "b", shape: [7])]
        var config = TrainingConfig()
        config.optim = optim
        // As the trainer holds it.
        var state = TrainingState(
            parameters: ReplicatedParameters(
                parameters,
                values: parameters.map { Tensor.zeros($0.shape) },
                rule: AdamW(config),
                groups: ParameterGroups(names: parameters.map(\.name), config: config)
            ),
            progress: TrainingState.Progress(position: try SourceValue(0))
        )
        func update(_ number: Int) {
            for parameter in parameters {
                let gradient = Tensor([Float](repeating: 0.5, count: parameter.count), shape: parameter.shape)
                state.parameters.add([parameter.name: gradient], of: ParameterName(parameter.name).block)
            }
            state.parameters.step(OptimizerStep(learningRate: 0.1, number: number))
        }
        update(1)
        let before = try Self.addresses(state)
        update(2)
        #expect(before.count == (optim == .adamw ? 6 : 8))
        #expect(try Self.addresses(state) == before)
        #expect(state.parameters.gradientNorm() == 0)
        #expect(state.parameters.namedValues.values.allSatisfy { $0.floatArray().allSatisfy { abs($0 + 0.2) < 0.01 } })
    }
}
