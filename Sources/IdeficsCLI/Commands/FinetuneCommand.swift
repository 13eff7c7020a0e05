// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import IdeficsTraining

/// `idefics finetune`.
struct FinetuneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "finetune",
        abstract: "Train a model on your own conversations, documents or captioned images.",
        discussion: """
            Each line of --data is an example:
              {"messages": [{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "…"}]}, \
            {"role": "assistant", "content": "…"}]}
              {"document": [{"text": "…"}, {"image": "b.png"}]}
              {"image": "c.png", "text": "…"}
            Pictures are paths, relative to the file, or http(s) URLs; a list "images" beside "messages", and the layouts of \
            LLaVA and OBELICS are read, too (docs/training.md). All examples are looked at before the first step. What the model's configuration freezes stays as it \
            is. The run folder holds metrics.jsonl, TensorBoard's events, loss.svg, checkpoints and, at the end, model/.
            `idefics train` does the same from a recipe.
            """
    )

    @Option(help: "Model directory, or ORG/NAME[@revision] on the Hugging Face hub.")
    var model: String

    @Option(help: "JSON lines to train on.")
    var data: String

    @Option(help: "Run folder; not needed with --check-only.")
    var output: String?

    @Option(help: "JSON lines to evaluate on: every --eval-steps, and after the last step.")
    var evalData: String?

    @Option(help: "Learning rate after the warm-up. (default: 1e-05)")
    var learningRate: Double?

    @Option(help: "Steps over which the learning rate grows from 0. (default: 0)")
    var warmupSteps: Int?

    @Option(help: "How the learning rate goes on: linear or cosine to 0, or constant. (default: linear)")
    var lrSchedulerType: String?

    @Option(
        help: "adamw_torch, or adamw_8bit: moments in 8 bits, 2 bytes an element instead of 8. (default: adamw_torch)"
    )
    var optim: String?

    @Option(help: "Decoupled weight decay. (default: 0.1)")
    var weightDecay: Double?

    @Option(help: "Norm beyond which gradients are scaled down; 0 for no limit. (default: 1)")
    var maxGradNorm: Double?

    @Option(help: "Examples of a micro-batch. (default: 4)")
    var perDeviceTrainBatchSize: Int?

    @Option(help: "Micro-batches of a step. (default: 1)")
    var gradientAccumulationSteps: Int?

    @Option(help: "Times the data is gone through. (default: 1)")
    var numTrainEpochs: Double?

    @Option(help: "Steps; wins over --num-train-epochs. (default: 0, by epochs)")
    var maxSteps: Int?

    @Option(help: "Tokens of an example; longer ones are cut. (default: 1024)")
    var maxTokens: Int?

    @Option(help: "Tokens of conversations that count for the loss: assistant or all. (default: assistant)")
    var loss: String?

    @Option(help: "A key of the data's lines that is not to be used; unknown ones are errors (repeatable).")
    var ignoreKey: [String] = []

    @Option(help: "Largest image to decode, in pixels. (default: 89478485)")
    var maxImagePixels: Int?

    @Option(help: "Lines that are no examples, images that cannot be had: fail or skip. (default: fail)")
    var badLines: String?

    @Option(help: "Names of parameters to train although the configuration freezes them, * for any text (repeatable).")
    var train: [String] = []

    @Option(help: "Names of parameters not to train, * for any text (repeatable).")
    var freeze: [String] = []

    @Flag(help: "Multiply in bf16 and keep activations in it; parameters, moments and sums stay in f32.")
    var bf16 = false

    @Flag(help: "Keep only the inputs of layers and compute them again in the backward pass: slower, less memory.")
    var gradientCheckpointing = false

    @Option(help: "Factor of the z-loss. (default: 0)")
    var zLossWeight: Double?

    @Option(help: "Steps between checkpoints; 0 for one at the end. (default: 500)")
    var saveSteps: Int?

    @Option(help: "Checkpoints kept; 0 for all. (default: 2)")
    var saveTotalLimit: Int?

    @Option(help: "Steps between evaluations; 0 for one after the last step only. (default: 0)")
    var evalSteps: Int?

    @Flag(help: "Evaluate before the first step, too.")
    var evalOnStart = false

    @Option(help: "Steps between lines of metrics. (default: 1)")
    var loggingSteps: Int?

    @Option(help: "Seed of the order of the data and of everything random. (default: 42)")
    var seed: UInt64?

    @Option(help: "Set any other key of the recipe: section.key=value (repeatable; docs/training.md).")
    var set: [String] = []

    @OptionGroup(title: "LoRA") var lora: LoRAOptions
    @OptionGroup var runOptions: RunOptions

    func validate() throws {
        if output == nil, !runOptions.checkOnly {
            throw ValidationError("Missing expected argument '--output <output>'")
        }
    }

    func run() async throws {
        var recipe = TrainingRecipe()
        recipe.model = model
        recipe.output = output ?? "run"
        recipe.data.train = data
        recipe.data.eval = evalData
        recipe.data.ignoredKeys = ignoreKey
        recipe.parameters.train = train
        recipe.parameters.freeze = freeze
        let json = String(decoding: try recipe.json, as: UTF8.self)
        try await runOptions.train(TrainingRecipe(yaml: json, overrides: overrides + lora.overrides + set))
    }

    /// Flags that were given, as keys of a recipe.
    private var overrides: [String] {
        let given: [(String, Any?)] = [
            ("trainer.learningRate", learningRate), ("trainer.warmupSteps", warmupSteps),
            ("trainer.lrSchedulerType", lrSchedulerType), ("trainer.weightDecay", weightDecay),
            ("trainer.optim", optim),
            ("trainer.maxGradNorm", maxGradNorm), ("trainer.perDeviceTrainBatchSize", perDeviceTrainBatchSize),
            ("trainer.gradientAccumulationSteps", gradientAccumulationSteps),
            ("trainer.numTrainEpochs", numTrainEpochs), ("trainer.maxSteps", maxSteps),
            ("trainer.zLossWeight", zLossWeight), ("trainer.saveSteps", saveSteps),
            ("trainer.saveTotalLimit", saveTotalLimit), ("trainer.evalSteps", evalSteps),
            ("trainer.loggingSteps", loggingSteps), ("trainer.seed", seed), ("data.maxTokens", maxTokens),
            ("data.maxImagePixels", maxImagePixels), ("data.loss", loss), ("data.badLines", badLines),
            ("trainer.bf16", bf16 ? true : nil),
            ("trainer.gradientCheckpointing", gradientCheckpointing ? true : nil),
            ("trainer.evalOnStart", evalOnStart ? true : nil),
        ]
        return given.compactMap { key, value in value.map { "\(key)=\($0)" } }
    }
}
