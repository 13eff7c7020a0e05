// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
package import Idefics
import IdeficsGeneration
import IdeficsImages

/// Continues the prompts of a recipe, for people to look at.
package struct SampleEvaluator: Evaluator {
    private let samples: [SamplePrompt]
    private let tokenCount: Int
    private let allowsPrivateAddresses: Bool
    private let processor: IdeficsProcessor
    private let directory: URL

    /// Continues the samples of `config`.
    ///
    /// - Parameters:
    ///   - config: the prompts.
    ///   - processor: of the model.
    ///   - directory: the model's, for its generation configuration.
    package init(_ config: DataConfig, processor: IdeficsProcessor, directory: URL) {
        samples = config.samples
        tokenCount = config.sampleTokens
        allowsPrivateAddresses = config.allowPrivateAddresses
        self.processor = processor
        self.directory = directory
    }

    /// Reports what the model writes, sample by sample.
    package func evaluate(
        _ model: IdeficsModel,
        step: Int,
        report: (TrainingEvent) -> Void
    ) async throws -> EvaluationMetrics? {
        let container = try ModelContainer(model, processor: processor, directory: directory)
        for sample in samples {
            let text = try await generate(sample, container)
            report(.sample(step: step, prompt: sample.user ?? sample.text ?? "", text: text))
        }
        return nil
    }

    private func generate(_ sample: SamplePrompt, _ container: ModelContainer) async throws -> String {
        let images = sample.image.map { [Prompt.Item.image(ImageSource($0))] } ?? []
        var config = container.generationConfig
        config.maxNewTokens = tokenCount
        config.doSample = false
        config.badWordsIds += processor.imageMarkupIds.map { [$0] }
        var options = IdeficsProcessor.Options()
        let prompt: Prompt
        if let user = sample.user {
            let turn = ChatMessage(role: .user, items: images + [.text(user)])
            prompt = Prompt(conversation: [turn], format: processor.chatFormat)
            options = processor.chatFormat.processorOptions(over: options)
        } else {
            prompt = Prompt(images + [.text(sample.text ?? "")])
        }
        let fetcher = WebImageFetcher(allowPrivateAddresses: allowsPrivateAddresses)
        for try await event in container.generate(prompt, config: config, options: options, fetcher: fetcher) {
            if case .finished(let info) = event { return info.text }
        }
        return ""
    }
}
