// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension TrainingConfig {
    /// Steps of a run over `data`, which are counted by the lengths of examples where those decide.
    func steps(of data: TrainingData) throws -> Int {
        if maxSteps > 0 { return maxSteps }
        let batches =
            maxBatchTokens > 0
            ? Double(
                try data.microBatches(
                    epochs: numTrainEpochs,
                    seed: seed,
                    maxExamples: perDeviceTrainBatchSize,
                    maxTokens: maxBatchTokens
                )
            )
            : numTrainEpochs * Double((data.file.count + perDeviceTrainBatchSize - 1) / perDeviceTrainBatchSize)
        return max(1, Int(min((batches / Double(gradientAccumulationSteps)).rounded(.up), 1e15)))
    }
}

extension DataConfig {
    /// The same without shuffling.
    var inOrder: DataConfig {
        var config = self
        config.shuffle = false
        return config
    }
}
