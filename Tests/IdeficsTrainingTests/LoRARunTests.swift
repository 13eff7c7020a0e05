// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsImages
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// Whole runs with adapters on a base quantised to NF4.
@Suite struct LoRARunTests {
    private let fixture: TrainingFixture
    private let base: URL
    private let options = [
        "lora.r=4", "lora.loraAlpha=8", "lora.loraDropout=0.1", "lora.modulesToSave=[gated_cross_attn_layers]",
        "trainer.gradientAccumulationSteps=2",
    ]

    init() throws {
        fixture = try TrainingFixture()
        base = fixture.folder.url.appending(path: "base")
        try ModelQuantization(directory: TrainingFixture.model, options: QuantizationOptions(.nf4)).write(to: base)
    }

    private func trainer(
        _ output: String,
        isResuming: Bool = false,
        report: @escaping @Sendable (TrainingEvent) -> Void = { _ in }
    ) throws -> Trainer {
        let recipe = try fixture.recipe(options, output: output)
        return try Trainer(
            recipe: recipe,
            directory: base,
            trainable: recipe.trainable(of: base),
            isResuming: isResuming,
            report: report
        )
    }

    @Test func theLossFallsAndTheAdapterIsWhatWasLearned() async throws {
        let told = Locked<[Double]>([])
        let trainer = try trainer("run") { event in
            if case .step(let metrics, _, _) = event { told.withLock { $0.append(metrics.loss) } }
        }
        #expect(try await trainer.run() == .finished)
        let losses = told.withLock { $0 }
        #expect(losses.count == 6)
        #expect(losses[5] < losses[0])
        let place = fixture.folder.url.appending(path: "run/adapter")
        let files = ModelFiles(directory: base)
        let config = try files.config()
        let learned = try LoRAAdapter(directory: place, for: config)
        #expect(learned.tensors.count == trainer.trainable.parameters.count)
        // Used as an adapter, the files compute what the trainer's own model computes.
        let picture = fixture.folder.url.appending(path: "rgb.png")
        let prompt: Prompt = [.text("Hello"), .image(.file(picture)), .text("What?")]
        let inputs = try await files.processor().prepare([prompt])
        let own = try await trainer.trainable.model(trainer.state.parameters.namedValues, pass: .inference).forward(
            inputs
        ).logits
        let found = try files.model(config, isExact: true, adapter: learned).model.forward(inputs).logits
        #expect(own.floatArray() == found.floatArray())
        let plain = try files.model(config, isExact: true).model.forward(inputs).logits
        #expect(found.floatArray() != plain.floatArray())
    }

    /// Bit for bit, dropout included.
    @Test func stoppedRunsGoOn() async throws {
        _ = try await trainer("run").run()
        let stop = StopRequest()
        let stopped = try trainer("other") { event in
            if case .step(let metrics, _, _) = event, metrics.step == 3 { stop.stop() }
        }
        #expect(try await stopped.run(stop: stop) == .stopped)
        #expect(try await trainer("other", isResuming: true).run() == .finished)
        let (a, b) = (try fixture.lastCheckpoint("run"), try fixture.lastCheckpoint("other"))
        #expect(a.count == 4 && a == b)
    }
}
