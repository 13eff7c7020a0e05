// Train on data of your own making: swift run CustomData MODEL OUTPUT [STEPS]
//
// A `BatchSource` gives a run its micro-batches. This one paints squares and names their colors, without end. Its position
// is a number, which the trainer stores in checkpoints: the same position always gives the same batch, so a run that was
// killed and resumed ends as any other.

import Foundation
import IdeficsTensor
import IdeficsTraining

/// Images of one color each, with a caption.
struct ColorSource: BatchSource {
    let processor: IdeficsProcessor
    let identity: SourceValue
    let start: SourceValue

    private static let colors: [(name: String, pixel: [UInt8])] = [
        ("red", [255, 0, 0]), ("green", [0, 255, 0]), ("blue", [0, 0, 255]),
    ]

    init(processor: IdeficsProcessor) throws {
        self.processor = processor
        identity = try SourceValue("colors")
        start = try SourceValue(0)
    }

    func batches(
        from position: SourceValue,
        count: Int,
        skipped: (TrainingError) -> Void
    ) async throws -> BatchSlice {
        let first = try position.decoded(as: Int.self)
        var batches: [TrainingBatch] = []
        for index in first..<first + count { batches.append(try await batch(index)) }
        return BatchSlice(batches, end: try SourceValue(first + count))
    }

    private func batch(_ index: Int) async throws -> TrainingBatch {
        let color = Self.colors[index % Self.colors.count]
        let image = try RGBImage(width: 8, height: 8, pixels: Array(repeating: color.pixel, count: 64).flatMap { $0 })
        let inputs = try await processor.prepare([[.image(.image(image)), .text("The color is \(color.name).")]])
        // The model learns the caption; −100 masks the image's own tokens, as in transformers.
        let ids = inputs.inputIds.intArray() ?? []
        let masked = ["<image>", "<fake_token_around_image>"].compactMap { processor.tokenizer.convertTokenToId($0) }
        let labels = ids.map { masked.contains($0) ? -100 : $0 }
        return TrainingBatch(
            inputs: inputs,
            labels: Tensor(labels, shape: [1, labels.count]),
            tokenCount: ids.count,
            imageCount: 1,
            targetCount: labels.dropFirst().count { $0 >= 0 }
        )
    }

    func progress(at position: SourceValue) -> Double { 0 }

    func check(_ position: SourceValue) throws {
        let index = try position.decoded(as: Int.self)
        guard 0...(1 << 60) ~= index else {
            throw TrainingError.example(place: "colors", reason: "no position \(index)")
        }
    }

    func batchCount(epochs: Double) throws -> Double {
        throw TrainingError.config(key: "trainer.maxSteps", reason: "the data has no end: say how many steps")
    }
}

let arguments = CommandLine.arguments
guard 3...4 ~= arguments.count, let steps = Int(arguments.count == 4 ? arguments[3] : "100") else {
    print("usage: CustomData MODEL OUTPUT [STEPS]")
    exit(64)
}

var recipe = TrainingRecipe()
recipe.model = arguments[1]
recipe.output = arguments[2]
recipe.data.train = "colors"  // not read: the source below takes its place
recipe.lora = LoRASettings()
recipe.trainer.learningRate = 1e-3
recipe.trainer.maxSteps = steps

let directory = try await modelDirectory(of: recipe.model)
let trainable = try recipe.trainable(of: directory)
let config = recipe.trainer
let parts = TrainingParts(
    source: try ColorSource(processor: ModelFiles(directory: directory).processor()),
    store: { try ReplicatedParameters(trainable, config: config, checkpoint: $0) }
)
let trainer = try Trainer(recipe: recipe, directory: directory, trainable: trainable, parts: parts) { event in
    if case .step(let metrics, let total, _) = event {
        print("step \(metrics.step) of \(total): loss \(metrics.loss)")
    }
}
_ = try await trainer.run()
