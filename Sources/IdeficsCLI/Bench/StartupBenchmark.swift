// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsTensor

/// What it costs to start generating with a checkpoint on disk: whole `idefics generate` commands, timed from outside
/// and by their own report.
struct StartupBenchmark {
    /// Tokens of the prompt, and tokens generated.
    static let promptTokens = 16
    static let newTokens = 16

    /// Medians over the rounds, in seconds.
    struct Report: Encodable {
        let directory: String
        let weightBytes: Int
        let rounds: Int
        let threads: Int
        /// Finding and checking files, mapping parameters, reading the tokenizer.
        let ready: Double
        /// From starting the program to its being ready.
        let readyFromStart: Double
        /// From starting the program to the first token, after a prompt of 16 tokens.
        let firstToken: Double
        /// The same with an image in front.
        let firstTokenWithImage: Double
        let tokensPerSecond: Double
        /// The most memory of a run, mapped parameters included.
        let peakMemoryBytes: Int?
        let peakMemoryBytesWithImage: Int?
    }

    /// What one command says of itself, in JSON.
    private struct Run: Decodable {
        struct Result: Decodable {
            let promptTime: Double
            let generateTime: Double
            let tokenIds: [Int]
        }

        let results: [Result]
        let loadTime: Double
        let peakMemoryBytes: Int?
        /// From starting the program to its end.
        var total: Double?

        var prompt: Double { results.first?.promptTime ?? 0 }
        var generate: Double { results.first?.generateTime ?? 0 }
        /// What the system took to start and end the program.
        var outside: Double { (total ?? 0) - loadTime - prompt - generate }
    }

    /// The checkpoint.
    let directory: URL
    /// Where inputs are written.
    let scratch: URL

    /// Runs the command `rounds` times without and with an image, after one run of each that reads the files in.
    func report(rounds: Int) throws -> Report {
        let config = try ModelFiles(directory: directory).config()
        let text = try inputs(config, seesImage: false)
        let image = try inputs(config, seesImage: true)
        var (texts, images): ([Run], [Run]) = ([], [])
        for round in 0...rounds {
            Terminal.transient("round \(round) of \(rounds)")
            let (textRun, imageRun) = (try run(text), try run(image))
            guard round > 0 else { continue }
            texts.append(textRun)
            images.append(imageRun)
        }
        Terminal.transient("")
        let checkpoint = try Checkpoint(directory: directory)
        let weightBytes = checkpoint.tensorNames.reduce(0) { $0 + (checkpoint.metadata(named: $1)?.byteCount ?? 0) }
        return Report(
            directory: directory.path,
            weightBytes: weightBytes,
            rounds: rounds,
            threads: Engine.threadCount,
            ready: texts.map(\.loadTime).median,
            readyFromStart: texts.map { $0.outside + $0.loadTime }.median,
            firstToken: texts.map { $0.outside + $0.loadTime + $0.prompt }.median,
            firstTokenWithImage: images.map { $0.outside + $0.loadTime + $0.prompt }.median,
            tokensPerSecond: texts.map { Double(($0.results.first?.tokenIds.count ?? 1) - 1) / $0.generate }.median,
            peakMemoryBytes: texts.compactMap(\.peakMemoryBytes).max(),
            peakMemoryBytesWithImage: images.compactMap(\.peakMemoryBytes).max()
        )
    }

    /// Writes the tensors of a prompt, so that no tokenizer is needed.
    private func inputs(_ config: IdeficsConfig, seesImage: Bool) throws -> URL {
        let inputs = DecodeBenchmark.inputs(config, tokens: Self.promptTokens)
        let mask = Tensor(
            Array(repeating: seesImage ? 1 : 0, count: Self.promptTokens),
            shape: [1, Self.promptTokens, 1]
        )
        let file = scratch.appending(path: seesImage ? "image.safetensors" : "text.safetensors")
        try SafetensorsWriter.write(
            ["input_ids": inputs.inputIds, "image_attention_mask": mask, "pixel_values": inputs.images.tensor],
            to: file
        )
        return file
    }

    private func run(_ inputs: URL) throws -> Run {
        guard let executable = Bundle.main.executableURL else { throw CommandError("the program cannot find itself") }
        let process = Process()
        process.executableURL = executable
        process.arguments = [
            "generate", "--model", directory.path, "--inputs", inputs.path, "--json", "--threads",
            "\(Engine.threadCount)", "--max-new-tokens", "\(Self.newTokens)", "--min-new-tokens", "\(Self.newTokens)",
        ]
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        let start = ContinuousClock.now
        try process.run()
        // Both are a line or two, less than a pipe holds.
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let total = (ContinuousClock.now - start) / .seconds(1)
        guard process.terminationStatus == 0 else {
            let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            throw CommandError("idefics generate failed for \(directory.path): \(message)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        var run = try decoder.decode(Run.self, from: data)
        run.total = total
        return run
    }
}
