// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// Products of a step on the fixture's model, counted by hand: hidden 32, 4 layers, one gated block, 500 + 3 words; images
/// of 16 patches and a class token in 24 channels; 5 latents that see them in 3 heads of 10.
@Suite struct OperationCountTests {
    private let network: Double
    private let layer: Double
    private let tower: Double
    private let resampler: Double

    init() {
        network = 3 * 32 * 48
        layer = network + 4 * 32 * 32
        let patches: Double = 16 * 3 * 14 * 14 * 24
        let towerLayer: Double = 4 * 24 * 24 + 2 * 24 * 56
        tower = patches + 2 * 17 * towerLayer
        let (queries, keys): (Double, Double) = (2 * 5 * 24 * 30, 2 * 22 * 24 * 30)
        let block: Double = queries + keys + 2 * 5 * 24 * 96
        resampler = 2 * block
    }

    /// The gated block for `rows` rows and as many image tokens.
    private func gated(rows: Double, imageTokens: Double) -> Double {
        let attention: Double = imageTokens > 0 ? rows * 2048 + imageTokens * 1536 : 0
        return rows * network + attention
    }

    /// The head, whose added rows alone are trained.
    private func head(rows: Double) -> Double {
        let frozen: Double = 2 * rows * 32 * 500
        return frozen + 3 * rows * 32 * 3
    }

    /// A batch of `rows` rows of 6 tokens, of which 2 count; each with the image of its number in `images`.
    private func batch(rows: Int = 1, images: [Float] = []) -> TrainingBatch {
        let labels = (0..<rows).flatMap { _ in [-100, -100, -100, -100, 7, 8] }
        let slots = images.isEmpty ? 0 : 1
        let pixels = images.flatMap { Array(repeating: $0, count: 3 * 56 * 56) }
        let inputs = IdeficsInputs(
            inputIds: Tensor((0..<rows * 6).map { 10 + $0 }, shape: [rows, 6]),
            attentionMask: nil,
            imageAttentionMask: Tensor(Array(repeating: 1, count: rows * 6 * slots), shape: [rows, 6, slots]),
            images: .pixelValues(Tensor(pixels, shape: [rows, slots, 3, 56, 56]))
        )
        return TrainingBatch(
            inputs: inputs,
            labels: Tensor(labels, shape: [rows, 6]),
            tokenCount: 6 * rows,
            imageCount: images.count,
            targetCount: 2 * rows
        )
    }

    private func operations(
        _ batch: TrainingBatch,
        _ recipe: TrainingRecipe,
        isCheckpointing: Bool = false
    ) throws -> Double {
        let trainable = try recipe.trainable(of: TrainingFixture.model)
        var store = try ReplicatedParameters(trainable, config: TrainingConfig())
        return try StepGradients(
            [batch],
            of: trainable,
            in: &store,
            pass: TrainingPass(isCheckpointing: isCheckpointing),
            seed: 1,
            firstMicroBatch: 0
        ).operations
    }

    /// What is trained takes three passes (forward, back to its input, back to itself), what lies after it two, what lies
    /// before it one; the head only the rows that count.
    @Test(arguments: [false, true])
    func theNewPartsInFull(isCheckpointing: Bool) throws {
        let head = head(rows: 2)
        let found = try operations(batch(images: [0.5]), TrainingRecipe(), isCheckpointing: isCheckpointing)
        let decoder: Double = 2 * 4 * 6 * layer
        let expected: Double = tower + 3 * resampler + 3 * gated(rows: 6, imageTokens: 5) + decoder + head
        #expect(found == 2 * expected)
    }

    @Test func nothingIsCountedThatIsNotDone() throws {
        let head = head(rows: 4)
        // Equal images are encoded once.
        let twins = try operations(batch(rows: 2, images: [0.5, 0.5]), TrainingRecipe())
        let decoder: Double = 2 * 4 * 12 * layer + head
        let one: Double = tower + 3 * resampler + 3 * gated(rows: 12, imageTokens: 5) + decoder
        #expect(twins == 2 * one)
        let two = try operations(batch(rows: 2, images: [0.5, 0.25]), TrainingRecipe())
        let both: Double = 2 * tower + 6 * resampler + 3 * gated(rows: 12, imageTokens: 10) + decoder
        #expect(two == 2 * both)
        // Without images the gated block is its network alone.
        let none: Double = 3 * gated(rows: 12, imageTokens: 0) + decoder
        #expect(try operations(batch(rows: 2), TrainingRecipe()) == 2 * none)
    }

    /// Adapters on the last layer's queries: no gradient goes further back than their input.
    @Test func adaptersOfTheLastLayer() throws {
        var recipe = TrainingRecipe()
        var lora = LoRASettings()
        lora.r = 2
        lora.targetModules = .names(["layers.3.self_attn.q_proj"])
        recipe.lora = lora
        let head: Double = 2 * 32 * 503
        let forward: Double = 6 * (4 * layer + network) + head
        // Of the last layer all but queries, keys and values, which only lead to frozen parts.
        let back: Double = 6 * (32 * 32 + network) + head
        let adapter: Double = 6 * (3 * 2 * 32 + 2 * 2 * 32)
        #expect(try operations(batch(), recipe) == 2 * (forward + back + adapter))
    }
}
