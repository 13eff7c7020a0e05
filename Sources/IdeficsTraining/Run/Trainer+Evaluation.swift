// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsGeneration
import IdeficsImages
import IdeficsTensor
import IdeficsTokenizers

extension Trainer {
    /// Scores the evaluation data and continues the samples with today's values.
    ///
    /// - Returns: cross-entropy a token; nil without evaluation data.
    /// - Throws: what data and model throw.
    func evaluate(_ log: inout TrainingLog) async throws -> Double? {
        let model = try trainable.model(namedValues, pass: .inference)
        let step = state.progress.step
        var loss: Double?
        if let evaluation {
            let found = try await score(evaluation, model)
            loss = found.loss
            report(.evaluated(step: step, loss: found.loss, tokens: found.targets))
        }
        guard !recipe.data.samples.isEmpty else { return loss }
        let container = try ModelContainer(model, processor: processor, directory: directory)
        for (index, sample) in recipe.data.samples.enumerated() {
            let text = try await generate(sample, container)
            let prompt = sample.user ?? sample.text ?? ""
            report(.sample(step: step, prompt: prompt, text: text))
            log.add(step: step, tag: "sample/\(index)", text: "\(prompt)\n\n\(text)")
        }
        return loss
    }

    private func score(_ data: TrainingData, _ model: IdeficsModel) async throws -> (loss: Double, targets: Int) {
        var position = DataPosition()
        let order = data.order(epoch: 0, seed: 0)
        var (sum, targets) = (0.0, 0)
        while position.epoch == 0 {
            let examples = try data.next(
                &position,
                order: order,
                maxExamples: recipe.trainer.perDeviceTrainBatchSize,
                maxTokens: recipe.trainer.maxBatchTokens
            ) { report(.skippedExample($0)) }
            guard let batch = try await data.batch(examples, skipped: { report(.skippedExample($0)) }) else { continue }
            let loss = try model.trainingLoss(batch.inputs, labels: batch.labels)
            sum += Double(loss.crossEntropy) * Double(loss.count)
            targets += loss.count
        }
        return (targets > 0 ? sum / Double(targets) : 0, targets)
    }

    private func generate(_ sample: SamplePrompt, _ container: ModelContainer) async throws -> String {
        let images = sample.image.map { [Prompt.Item.image(ImageSource($0))] } ?? []
        var config = container.generationConfig
        config.maxNewTokens = recipe.data.sampleTokens
        config.doSample = false
        config.badWordsIds += ["<image>", "<fake_token_around_image>"].compactMap {
            processor.tokenizer.convertTokenToId($0).map { [$0] }
        }
        var options = IdeficsProcessor.Options()
        let prompt: Prompt
        if let user = sample.user {
            let turn = ChatMessage(role: .user, items: images + [.text(user)])
            prompt = Prompt(conversation: [turn], format: processor.chatFormat)
            options = processor.chatFormat.processorOptions(over: options)
        } else {
            prompt = Prompt(images + [.text(sample.text ?? "")])
        }
        let fetcher = WebImageFetcher(allowPrivateAddresses: recipe.data.allowPrivateAddresses)
        for try await event in container.generate(prompt, config: config, options: options, fetcher: fetcher) {
            if case .finished(let info) = event { return info.text }
        }
        return ""
    }
}
