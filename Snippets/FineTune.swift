// Train a LoRA adapter on your own examples: swift run FineTune MODEL EXAMPLES.jsonl OUTPUT [STEPS]
//
// The layouts of examples are in docs/training.md, all settings in its table of recipes.

import Foundation
import IdeficsTraining

let arguments = CommandLine.arguments
guard 4...5 ~= arguments.count, let steps = Int(arguments.count == 5 ? arguments[4] : "100") else {
    print("usage: FineTune MODEL EXAMPLES.jsonl OUTPUT [STEPS]")
    exit(64)
}

var recipe = TrainingRecipe()
recipe.model = arguments[1]
recipe.data.train = arguments[2]
recipe.output = arguments[3]
recipe.lora = LoRASettings()
recipe.lora?.r = 16
recipe.lora?.loraAlpha = 32
recipe.trainer.learningRate = 2e-4
recipe.trainer.maxSteps = steps

let directory = try await modelDirectory(of: recipe.model)
let trainer = try Trainer(
    recipe: recipe,
    directory: directory,
    trainable: try recipe.trainable(of: directory)
) { event in
    switch event {
    case .step(let metrics, let total, _): print("step \(metrics.step) of \(total): loss \(metrics.loss)")
    case .exported(let path): print("the adapter is in \(path)")
    default: break
    }
}
// Killed or stopped, the run goes on from its last checkpoint with `isResuming: true`.
_ = try await trainer.run()

let model = try await Idefics.load(from: recipe.model, adapter: recipe.output + "/adapter")
print("loaded with its adapter: \(model.config.numHiddenLayers) layers")
