// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics

/// `idefics perplexity`.
struct PerplexityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "How well a model predicts a text without images.",
        discussion: """
            The model reads windows of --context tokens, each --stride tokens after the one before. A window scores the \
            tokens that no earlier window reached, except its own first token, which nothing predicts. With the default \
            stride windows are disjoint; with a smaller one the last --stride tokens of each later window are scored, as \
            in transformers' documentation of perplexity. The text begins with the token that begins a text unless \
            tokenizer_config.json says "add_bos_token": false.
            """
    )

    @OptionGroup var loadOptions: LoadOptions

    @Option(help: "UTF-8 text file; - for standard input.")
    var text: String

    @Option(
        help: """
            Compare with this model too (directory, ORG/NAME or demo, its weights as they are): mean Kullback-Leibler \
            divergence of its next-token distribution from the model's, and how often both find the same token most \
            likely. Takes twice the time.
            """
    )
    var reference: String?

    @Option(help: "Tokens the model reads at once.")
    var context = 1024

    @Option(help: "Tokens from one window to the next, 1 to --context. (default: --context)")
    var stride: Int?

    @Flag(help: "Write one JSON object.")
    var json = false

    @Flag(help: "With --json: also token ids and the negative log-likelihood of each (null where not scored).")
    var perToken = false

    func validate() throws {
        guard 2...1_048_576 ~= context else {
            throw ValidationError("--context \(context): must be 2 to 1048576 tokens")
        }
        if let stride, !(1...context ~= stride) {
            throw ValidationError("--stride \(stride): must be 1 to --context, \(context)")
        }
        if perToken && !json { throw ValidationError("--per-token needs --json") }
    }

    private struct Report: Encodable {
        let tokens: Int
        let scoredTokens: Int
        let context: Int
        let stride: Int
        /// Nats.
        let meanNegativeLogLikelihood: Double
        /// Null when it is too large for a number.
        let perplexity: Double?
        let seconds: Double
        let tokensPerSecond: Double
        let reference: Comparison?
        let tokenIds: [Int]?
        let negativeLogLikelihoods: [Double?]?
    }

    private struct Comparison: Encodable {
        let model: String
        /// Null when it is too large for a number, like the next two.
        let perplexity: Double?
        let relativeLoss: Double?
        /// Nats.
        let meanDivergence: Double?
        /// 0...1.
        let topAgreement: Double
    }

    func run() async throws {
        let contents = try TextFile.read(text)
        let container = try await loadOptions.load()
        let bar = ProgressBar(unit: .tokens)
        let start = ContinuousClock.now
        let (likelihood, comparison) = try await score(contents, container, bar)
        bar.finish()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let report = Report(
            tokens: likelihood.tokenIds.count,
            scoredTokens: likelihood.scoredTokenCount,
            context: context,
            stride: stride ?? context,
            meanNegativeLogLikelihood: likelihood.meanNegativeLogLikelihood,
            perplexity: likelihood.perplexity.isFinite ? likelihood.perplexity : nil,
            seconds: seconds,
            tokensPerSecond: Double(likelihood.scoredTokenCount) / seconds,
            reference: comparison,
            tokenIds: perToken ? likelihood.tokenIds : nil,
            negativeLogLikelihoods: perToken ? likelihood.negativeLogLikelihoods : nil
        )
        if json { try Terminal.writeJSON(report) } else { try write(report, likelihood) }
    }

    /// Scores the text, against the reference if there is one.
    private func score(
        _ contents: String,
        _ container: ModelContainer,
        _ bar: ProgressBar
    ) async throws -> (TextLikelihood, Comparison?) {
        let progress: @Sendable (Int, Int) -> Void = { bar.show(completed: Int64($0), total: Int64($1)) }
        guard let reference else {
            return (
                try await container.likelihood(of: contents, context: context, stride: stride, progress: progress), nil
            )
        }
        let other = try ModelContainer(directory: await modelDirectory(of: reference) { bar.show($0) })
        let found = try await container.divergence(
            from: other,
            on: contents,
            context: context,
            stride: stride,
            progress: progress
        )
        func number(_ value: Double) -> Double? { value.isFinite ? value : nil }
        let comparison = Comparison(
            model: reference,
            perplexity: number(found.referenceLikelihood.perplexity),
            relativeLoss: number(found.relativeLoss),
            meanDivergence: number(found.meanDivergence),
            topAgreement: found.topAgreement
        )
        return (found.likelihood, comparison)
    }

    private func write(_ report: Report, _ likelihood: TextLikelihood) throws {
        try Terminal.write(
            """
            perplexity   \(Format.number(likelihood.perplexity, digits: 4))
            mean         \(Format.number(report.meanNegativeLogLikelihood, digits: 6)) nats a token
            tokens       \(report.tokens), \(report.scoredTokens) of them scored
            speed        \(Format.number(report.tokensPerSecond, digits: 1)) scored tokens/s

            """
        )
        guard let comparison = report.reference else { return }
        func number(_ value: Double?, _ digits: Int) -> String { Format.number(value ?? .infinity, digits: digits) }
        try Terminal.write(
            """
            reference    \(number(comparison.perplexity, 4)); the model loses \(number(comparison.relativeLoss.map { $0 * 100 }, 3)) %
            divergence   \(number(comparison.meanDivergence, 6)) nats a token
            agreement    \(number(comparison.topAgreement * 100, 2)) % of the most likely tokens are the same

            """
        )
    }
}
