// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Idefics
package import IdeficsImages
public import IdeficsTensor
import IdeficsTokenizers

/// A micro-batch: inputs and labels, with what is counted of it.
public struct TrainingBatch: Sendable {
    /// What the model is given.
    public let inputs: IdeficsInputs
    /// `[rows, columns]`, the token's id where it counts, else −100.
    public let labels: Tensor
    /// Real tokens.
    public let tokenCount: Int
    /// Images.
    public let imageCount: Int
    /// Labels that count.
    public let targetCount: Int
    /// Rows.
    public let exampleCount: Int
    /// For each row what an assistant should say, nil where more than that counts.
    public let answers: [[Int]?]

    /// A batch of tensors, all of its columns real.
    public init(inputs: IdeficsInputs, labels: Tensor, tokenCount: Int, imageCount: Int, targetCount: Int) {
        self.inputs = inputs
        self.labels = labels
        self.tokenCount = tokenCount
        self.imageCount = imageCount
        self.targetCount = targetCount
        exampleCount = labels.shape.first ?? 0
        answers = Array(repeating: nil, count: exampleCount)
    }

    /// The batch of `examples` and their decoded images.
    package init(
        _ examples: [EncodedExample],
        images: [[RGBImage]],
        processor: IdeficsProcessor,
        maxTokens: Int
    ) throws {
        var options = IdeficsProcessor.Options()
        options.paddingSide = .right
        options.isTruncating = true
        options.maxLength = maxTokens
        inputs = try processor.prepare(rows: examples.map(\.tokenIds), images: images, options: options)
        let columns = inputs.inputIds.shape[1]
        labels = Tensor(
            examples.flatMap { example in
                zip(example.tokenIds, example.isTarget).map { $1 ? $0 : -100 }
                    + Array(repeating: -100, count: columns - example.tokenIds.count)
            },
            shape: [examples.count, columns]
        )
        tokenCount = examples.reduce(0) { $0 + $1.tokenIds.count }
        imageCount = images.reduce(0) { $0 + $1.count }
        targetCount = examples.reduce(0) { $0 + $1.targetCount }
        exampleCount = examples.count
        answers = examples.map(\.answer)
    }
}
