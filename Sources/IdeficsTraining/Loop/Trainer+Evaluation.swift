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
    /// - Returns: the scores; nil without evaluation data.
    /// - Throws: what data and model throw.
    func evaluate(_ log: inout TrainingLog) async throws -> EvaluationMetrics? {
        let start = ContinuousClock.now
        defer { log.leaveOut(ContinuousClock.now - start) }
        let model = try trainable.model(state.parameters.namedValues, pass: .inference)
        let step = state.progress.step
        var found: EvaluationMetrics?
        if let evaluation {
            let metrics = try await score(evaluation, model)
            found = metrics
            report(.evaluated(step: step, metrics))
        }
        guard !recipe.data.samples.isEmpty else { return found }
        let container = try ModelContainer(model, processor: processor, directory: directory)
        for (index, sample) in recipe.data.samples.enumerated() {
            let text = try await generate(sample, container)
            let prompt = sample.user ?? sample.text ?? ""
            report(.sample(step: step, prompt: prompt, text: text))
            log.add(step: step, tag: "sample/\(index)", text: "\(prompt)\n\n\(text)")
        }
        return found
    }

    private func score(_ data: TrainingData, _ model: IdeficsModel) async throws -> EvaluationMetrics {
        var position = DataPosition()
        let order = data.order(epoch: 0, seed: 0)
        var (sum, targets, right) = (0.0, 0, 0)
        var answers: [[Int]: Int] = [:]
        while position.epoch == 0 {
            let examples = try data.next(
                &position,
                order: order,
                maxExamples: recipe.trainer.perDeviceTrainBatchSize,
                maxTokens: recipe.trainer.maxBatchTokens
            ) { report(.skippedExample($0)) }
            guard let batch = try await data.batch(examples, skipped: { report(.skippedExample($0)) }) else { continue }
            let (loss, isRight) = try model.evaluationLoss(
                batch.inputs,
                labels: batch.labels,
                pass: TrainingPass(isBF16: recipe.trainer.bf16)
            )
            sum += Double(loss.crossEntropy) * Double(loss.count)
            targets += loss.count
            for (answer, isRight) in zip(batch.answers, isRight) {
                guard let answer else { continue }
                answers[answer, default: 0] += 1
                if isRight { right += 1 }
            }
        }
        return EvaluationMetrics(
            loss: targets > 0 ? sum / Double(targets) : 0,
            tokens: targets,
            answers: answers.values.reduce(0, +),
            rightAnswers: right,
            mostCommonAnswers: answers.values.max() ?? 0
        )
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
