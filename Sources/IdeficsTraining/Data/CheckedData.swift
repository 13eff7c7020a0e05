// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import Idefics
import IdeficsImages

/// The data of a run, every example of which has been looked at; a run that is given it need not read it all again.
///
/// What a run computes does not depend on whether its data was looked at.
public struct CheckedData: Sendable {
    /// What was found: in the training data, then in the evaluation data, if there is any.
    public let reports: [DataReport]
    /// Why no run can begin on it; nil when one can.
    public let problem: TrainingError?
    /// The first image that cannot be had, where bad examples are errors: a run ends when it comes to it, with a
    /// checkpoint, unless the image is there by then.
    public let imageProblem: TrainingError?

    let training: DataCheck.Result
    let evaluation: DataCheck.Result?

    /// Looks at the data of `recipe`.
    ///
    /// - Parameters:
    ///   - recipe: whose data it is.
    ///   - directory: the model's directory, for its tokenizer.
    ///   - images: how closely images are looked at.
    ///   - progress: reports how many examples of a file were looked at, of how many.
    /// - Throws: what reading recipe, data and tokenizer throws. Bad examples are found and told, and throw nothing.
    public init(
        recipe: TrainingRecipe,
        directory: URL,
        images: ImageCheck = .files,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws {
        try recipe.validate()
        let processor = try ModelFiles(directory: directory).processor()
        func check(_ path: String) async throws -> DataCheck.Result {
            let lines = try ExampleFile.Lines(path: path)
            let check = DataCheck(lines: lines, config: recipe.data, processor: processor, images: images)
            return try await check.run(progress: progress)
        }
        training = try await check(recipe.data.train)
        evaluation = if let path = recipe.data.eval { try await check(path) } else { nil }
        let results = [training] + (evaluation.map { [$0] } ?? [])
        reports = results.map(\.report)
        problem = results.lazy.compactMap { $0.problem(recipe.data) }.first ?? recipe.sampleProblem
        imageProblem =
            recipe.data.badLines == .fail ? results.lazy.compactMap(\.firstImageProblem).first : nil
    }
}

extension DataCheck.Result {
    /// Why no run can begin on it; nil when one can.
    fileprivate func problem(_ config: DataConfig) -> TrainingError? {
        if config.badLines == .fail, let firstProblem { return firstProblem }
        return report.examples == 0 ? .file(path: file.path, reason: "no example can be used") : nil
    }
}

extension TrainingRecipe {
    /// What is wrong with a sample, all of which are continued at least once.
    fileprivate var sampleProblem: TrainingError? {
        for (index, sample) in data.samples.enumerated() {
            guard let place = sample.image else { continue }
            do {
                try ImageSource(place).check(limits: data.imageLimits)
            } catch {
                return .config(key: "data.samples[\(index)].image", reason: data.reason(of: error))
            }
        }
        return nil
    }
}
