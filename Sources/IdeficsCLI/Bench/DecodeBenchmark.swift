// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsGeneration
import IdeficsTensor

/// What generating text with a checkpoint costs: tokens a second, and how long the first one takes.
struct DecodeBenchmark {
    /// Tokens before the first that is timed.
    static let context = 128
    /// Tokens of one run, greedy.
    static let steps = 32

    /// What `--json` says of it.
    struct Report: Encodable {
        let model: String
        let context: Int
        let steps: Int
        let tokensPerSecond: Double
        /// Parameters read for a token.
        let weightBytesPerToken: Int
        /// Keys and values read for a token, mean of the steps.
        let cacheBytesPerToken: Int
        /// From starting the program to its end after one token, without and with an image; what it reads is warm.
        let secondsToFirstToken: Double
        let secondsToFirstTokenWithPicture: Double
    }

    /// What was asked for.
    let name: String
    let directory: URL
    private let container: ModelContainer

    /// The benchmark of the checkpoint in `directory`.
    init(name: String, directory: URL) throws {
        self.name = name
        self.directory = directory
        container = try ModelContainer(directory: directory)
    }

    private var cacheBytes: Int {
        (0..<Self.steps).reduce(0) {
            $0 + container.model.cacheBytes(context: Self.context + $1, type: container.cacheType)
        } / Self.steps
    }

    /// One token a step, bound by reading the parameters and the cache.
    var measurement: Measurement {
        let model = container.model
        return Measurement(
            name: "decode \(name), \(Self.context) tokens before",
            bound: .memory,
            work: Double(model.decodeParameterBytes() + cacheBytes),
            steps: Self.steps,
            tokens: 1
        ) {
            let prompt = IdeficsSession(model, keyValueType: container.cacheType)
            let first = try Self.argmax(prompt.start(Self.inputs(model.config)).floatArray())
            let sequences = prompt.sequences
            return {
                // A copy shares the cache of the prompt, so that every run begins at the same place.
                let session = IdeficsSession(model, sequences: sequences, keyValueType: container.cacheType)
                var token = first
                for _ in 0..<Self.steps { token = try Self.argmax(session.step(tokenIds: [token])) }
            }
        }
    }

    /// A batch of prompts of `tokens` tokens without images.
    static func inputs(_ config: IdeficsConfig, batch: Int = 1, tokens: Int = context) -> IdeficsInputs {
        let size = config.visionConfig.imageSize
        return IdeficsInputs(
            inputIds: Tensor((0..<batch * tokens).map { $0 * 37 % config.vocabSize }, shape: [batch, tokens]),
            attentionMask: nil,
            imageAttentionMask: Tensor(Array(repeating: 0, count: batch * tokens), shape: [batch, tokens, 1]),
            images: .pixelValues(Tensor.zeros([batch, 1, config.visionConfig.numChannels, size, size]))
        )
    }

    private static func argmax(_ logits: [Float]) throws -> Int {
        // SAFETY: no pointer leaves the closure.
        guard let token = logits.withUnsafeBufferPointer(ScoreRow.argmax) else {
            throw CommandError("the model gives logits that are not numbers")
        }
        return token
    }

    /// The figures for people and programs, `rounds` medians for the first token.
    func report(_ result: MeasurementResult, rounds: Int) throws -> Report {
        Report(
            model: name,
            context: Self.context,
            steps: Self.steps,
            tokensPerSecond: 1 / result.seconds,
            weightBytesPerToken: container.model.decodeParameterBytes(),
            cacheBytesPerToken: cacheBytes,
            secondsToFirstToken: try secondsToFirstToken(rounds: rounds, arguments: []),
            secondsToFirstTokenWithPicture: try secondsToFirstToken(
                rounds: rounds,
                arguments: ["--image", Self.picture]
            )
        )
    }

    /// The smallest PNG; the processor makes every image the same size.
    private static let picture =
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

    /// Seconds from starting this program anew to its end after one token.
    private func secondsToFirstToken(rounds: Int, arguments: [String]) throws -> Double {
        guard let executable = Bundle.main.executableURL else { throw CommandError("the program cannot find itself") }
        let samples = try (0...rounds).map { _ in
            let process = Process()
            process.executableURL = executable
            process.arguments =
                ["generate", "--model", directory.path, "--max-new-tokens", "1", "--threads", "\(Engine.threadCount)"]
                + arguments + ["Once upon a time, in a village by the sea, there was"]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            let start = ContinuousClock.now
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { throw CommandError("idefics generate failed for \(name)") }
            return (ContinuousClock.now - start) / .seconds(1)
        }
        return Array(samples.dropFirst()).median  // the first warmed up
    }
}
