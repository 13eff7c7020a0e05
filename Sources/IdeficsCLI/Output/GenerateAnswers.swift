// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsGeneration

/// Takes what `generate` brings and gives it out in the order of the prompts, each answer as soon as it is its turn.
final class GenerateAnswers {
    /// What becomes of an answer.
    enum Form {
        /// Its text as it is generated.
        case stream
        /// A line of text.
        case text
        /// A line of JSON.
        case lines(AnswerLines)
        /// Kept for one report at the end.
        case report
    }

    private let form: Form
    private let answersPerPrompt: Int
    private let start: ContinuousClock.Instant
    private var waiting: [Int: GenerateReport.Result] = [:]
    private var next: Int
    /// Answers that were kept.
    private(set) var results: [GenerateReport.Result] = []

    // Sums over all batches, for the line at the end.
    private var firstText: Double?
    private var promptTokens = 0
    private var promptTime = 0.0
    private var tokens = 0
    private var generateTime = 0.0

    /// - Parameters:
    ///   - form: what becomes of an answer.
    ///   - answersPerPrompt: returned sequences of each prompt.
    ///   - firstPrompt: the prompt that comes first.
    ///   - start: when the command began.
    init(_ form: Form, answersPerPrompt: Int, firstPrompt: Int = 0, start: ContinuousClock.Instant) {
        self.form = form
        self.answersPerPrompt = answersPerPrompt
        self.start = start
        next = firstPrompt * answersPerPrompt
    }

    /// Takes the events of one batch.
    ///
    /// - Parameters:
    ///   - events: text and complete sequences.
    ///   - firstPrompt: the index of the batch's first prompt among all.
    ///   - lines: where the prompts are in their file, if they are from one.
    /// - Throws: what generating throws, and what writing does.
    func take(
        _ events: AsyncThrowingStream<TextGenerationEvent, any Error>,
        firstPrompt: Int = 0,
        lines: [Int] = []
    ) async throws {
        var batchTime = (prompt: 0.0, generate: 0.0)
        for try await event in events {
            firstText = firstText ?? (ContinuousClock.now - start) / .seconds(1)
            switch event {
            case .text(let text, _, _): if case .stream = form { try Terminal.write(text) }
            case .finished(let info):
                let line = lines.indices.contains(info.promptIndex) ? lines[info.promptIndex] : nil
                let result = GenerateReport.Result(info, promptIndex: firstPrompt + info.promptIndex, line: line)
                if info.returnIndex == 0 { promptTokens += info.promptTokenCount }
                tokens += info.generationTokenCount
                batchTime = (info.promptTime, max(batchTime.generate, info.generateTime))
                waiting[result.promptIndex * answersPerPrompt + result.returnIndex] = result
                while let result = waiting.removeValue(forKey: next) {
                    next += 1
                    try write(result)
                }
            }
        }
        promptTime += batchTime.prompt
        generateTime += batchTime.generate
    }

    private func write(_ result: GenerateReport.Result) throws {
        switch form {
        case .stream: try Terminal.write("\n")
        case .text: try Terminal.write("\(result.text)\n")
        case .lines(let lines): try lines.write(result)
        case .report: results.append(result)
        }
    }

    /// What it took, in one line; nil when nothing was generated.
    var summary: String? {
        guard let firstText else { return nil }
        let rate = generateTime > 0 ? Double(tokens) / generateTime : 0
        return "first text after \(Format.number(firstText, digits: 2)) s; "
            + "prompt \(promptTokens) tokens in \(Format.number(promptTime, digits: 2)) s; "
            + "\(tokens) tokens in \(Format.number(generateTime, digits: 2)) s, \(Format.number(rate, digits: 1)) tokens/s"
    }
}
