// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsFoundation

/// The folder of a run: `checkpoint-N/`, `metrics.jsonl`, TensorBoard's events, `loss.svg` and, at the end, `model/` or
/// `adapter/`.
///
/// What a run did not make itself it neither replaces nor removes, whatever it is called.
package struct RunFolder: Sendable {
    package let url: URL

    package init(_ path: String) {
        url = URL(localPath: path, isDirectory: true)
    }

    /// Makes the folder, keeps other runs out, and makes sure that nothing in it is replaced that is not the run's own.
    ///
    /// - Parameters:
    ///   - resultName: what the run's result will be called.
    ///   - isResuming: whether the run goes on with what is there.
    /// - Returns: the lock, to be kept as long as the folder is written to.
    /// - Throws: `TrainingError.run`.
    func prepare(resultName: String, isResuming: Bool) throws -> RunLock {
        // What is refused stays as it is: no folder is made, no lock. A lock that is there tells of a run that goes on.
        let known = Files.exists(RunLock.url(in: url)) ? try RunLock(url) : nil
        try checkContents(resultName: resultName, isResuming: isResuming)
        do {
            try Files.makeFolder(url.path)
        } catch {
            throw TrainingError.run(path: url.path, reason: "cannot be made: \(error.localizedDescription)")
        }
        let lock = try known ?? RunLock(url)
        // Another run may have been here before it had the lock.
        try checkContents(resultName: resultName, isResuming: isResuming)
        try mark()
        // What a killed run was writing has names that nobody else gives.
        try? StagedDirectory.removeAbandoned(in: url, includingFiles: true)
        return lock
    }

    /// Steps of the checkpoints, oldest first.
    package func checkpointSteps() -> [Int] {
        let names = (try? Files.names(in: url.path)) ?? []
        return names.compactMap { name in
            let step = name.hasPrefix(Self.checkpointPrefix) ? Int(name.dropFirst(Self.checkpointPrefix.count)) : nil
            // Not `checkpoint-007` or `checkpoint-+7`, which no run writes.
            return step.flatMap { $0 >= 0 && name == Self.checkpointPrefix + "\($0)" ? $0 : nil }
        }.sorted()
    }

    private static let checkpointPrefix = "checkpoint-"

    /// Where the checkpoint of `step` is.
    package func checkpoint(_ step: Int) -> URL {
        url.appending(path: Self.checkpointPrefix + "\(step)", directoryHint: .isDirectory)
    }

    // MARK: - Writing

    /// Writes a checkpoint: aside, flushed, then renamed to its place, so that it is there whole or not at all.
    func save(_ state: TrainingState, recipe: TrainingRecipe, data: SourceValue, model: ModelIdentity) throws -> URL {
        let place = checkpoint(state.progress.step)
        let staged = try StagedDirectory(place)
        try state.parameters.write(to: staged)
        try staged.write(recipe.json, to: Self.recipeName)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try staged.write(
            encoder.encode(StateFile(progress: state.progress, data: data, model: model)),
            to: StateFile.name
        )
        try staged.commit()
        return place
    }

    /// The recipe of a checkpoint.
    static let recipeName = "recipe.json"

    /// Removes the oldest checkpoints beyond `limit`.
    ///
    /// - Parameters:
    ///   - limit: how many are kept; 0 for all.
    ///   - kept: the step of one that is kept all the same.
    ///   - isOwn: whether the checkpoint of a step is the run's own; others stay where they are.
    package func rotate(limit: Int, keeping kept: Int? = nil, where isOwn: (Int) -> Bool) {
        guard limit > 0 else { return }
        for step in checkpointSteps().dropLast(limit) where step != kept && isOwn(step) {
            try? StagedDirectory.discard(checkpoint(step))
        }
    }
}
