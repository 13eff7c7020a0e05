// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsFoundation
import IdeficsTensor
import IdeficsTraining

/// Parameters of a model that gives no numbers in some micro-batches.
struct FailingParameters: TrainableParameters {
    let base: FullParameters
    let failing: Set<UInt64>

    var config: IdeficsConfig { base.config }
    var parameters: [TrainableParameter] { base.parameters }
    func initialValues(seed: UInt64) throws -> [Tensor] { try base.initialValues(seed: seed) }

    func model(_ values: [String: Tensor], pass: ParameterPass) throws -> IdeficsModel {
        var values = values
        if case .training(_, let step) = pass, failing.contains(step) {
            let name = "model.perceiver_resampler.latents"
            values[name] = values[name].map { Tensor([Float](repeating: .nan, count: $0.count), shape: $0.shape) }
        }
        return try base.model(values, pass: pass)
    }

    func export(_ values: [String: Tensor], to directory: StagedDirectory) throws {
        try base.export(values, to: directory)
    }
}
