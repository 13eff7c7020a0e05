// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsCheckpoints
import IdeficsTensor

/// The folder of a run: `checkpoint-N/`, `metrics.jsonl`, TensorBoard's events, `loss.svg` and, at the end, `model/`.
package struct RunFolder: Sendable {
    package let url: URL

    package init(_ path: String) {
        url = URL(filePath: path, directoryHint: .isDirectory)
    }

    /// Makes the folder, keeps other runs out, and removes what killed ones left unfinished.
    ///
    /// - Returns: the lock, to be kept as long as the folder is written to.
    /// - Throws: `TrainingError.run`.
    func prepare() throws -> RunLock {
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            let lock = try RunLock(url)
            for name in try FileManager.default.contentsOfDirectory(atPath: url.path)
            where Self.unfinished.contains(where: { matches(name, pattern: $0) }) {
                try FileManager.default.removeItem(at: url.appending(path: name))
            }
            return lock
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.run(path: url.path, reason: "\(error.localizedDescription)")
        }
    }

    /// Names of directories that were being written or removed.
    private static let unfinished = ["checkpoint-", "model", "adapter"].flatMap { name in
        [".\(name)*.tmp", ".\(name)*.old", name == "checkpoint-" ? "checkpoint-*.old" : "\(name).old"]
    }

    /// Steps of the checkpoints, oldest first.
    package func checkpointSteps() -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return names.compactMap { name in
            name.hasPrefix("checkpoint-") ? Int(name.dropFirst("checkpoint-".count)) : nil
        }.filter { $0 >= 0 }.sorted()
    }

    /// Where the checkpoint of `step` is.
    package func checkpoint(_ step: Int) -> URL {
        url.appending(path: "checkpoint-\(step)", directoryHint: .isDirectory)
    }

    // MARK: - Writing

    /// Writes a checkpoint: aside, flushed, then renamed to its place, so that it is there whole or not at all.
    func save(
        _ state: TrainingState,
        parameters: [TrainableParameter],
        recipe: TrainingRecipe,
        data: DataIdentity
    )
        throws -> URL
    {
        let place = checkpoint(state.progress.step)
        let staged = try StagedDirectory(place, replacesExisting: true)
        try write(state.values, parameters, to: staged, name: "parameters.safetensors")
        try write(state.firstMoments, parameters, to: staged, name: "first_moments.safetensors")
        try write(state.secondMoments, parameters, to: staged, name: "second_moments.safetensors")
        try staged.write(recipe.json, to: "recipe.json")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try staged.write(encoder.encode(StateFile(progress: state.progress, data: data)), to: "state.json")
        try staged.commit()
        return place
    }

    private func write(
        _ tensors: [Tensor],
        _ parameters: [TrainableParameter],
        to staged: StagedDirectory,
        name: String
    ) throws {
        let declarations = parameters.map { SafetensorsWriter.Declaration(name: $0.name, dtype: .f32, shape: $0.shape) }
        let writer = try SafetensorsWriter(staged.url.appending(path: name), tensors: declarations)
        for (parameter, tensor) in zip(parameters, tensors) {
            try tensor.withUnsafeBytes { try writer.append($0, to: parameter.name) }
        }
        try writer.finish()
    }

    /// Removes the oldest checkpoints beyond `limit`; 0 keeps all.
    package func rotate(limit: Int) {
        guard limit > 0 else { return }
        for step in checkpointSteps().dropLast(limit) {
            // Half a checkpoint must not look like one: it loses its name first.
            let place = checkpoint(step)
            let aside = url.appending(path: ".checkpoint-\(step).old")
            guard (try? FileManager.default.moveItem(at: place, to: aside)) != nil else { continue }
            try? FileManager.default.removeItem(at: aside)
        }
    }

    // MARK: - Reading

    /// The state of the checkpoint of `step`, checked against the parameters and the recipe.
    ///
    /// - Throws: `TrainingError.run` naming the checkpoint and what does not fit.
    func load(
        _ step: Int,
        parameters: [TrainableParameter],
        recipe: TrainingRecipe,
        data: DataIdentity
    )
        throws -> TrainingState
    {
        let place = checkpoint(step)
        do {
            let stored = try JSONDecoder().decode(
                StateFile.self,
                from: Data(contentsOf: place.appending(path: "state.json"))
            )
            let text = try String(contentsOf: place.appending(path: "recipe.json"), encoding: .utf8)
            try recipe.check(continues: TrainingRecipe(yaml: text), at: place.path)
            guard stored.data == data else {
                throw TrainingError.run(path: place.path, reason: "the training data is another than it was")
            }
            var state = TrainingState(values: try read(parameters, place, "parameters.safetensors"))
            state.firstMoments = try read(parameters, place, "first_moments.safetensors")
            state.secondMoments = try read(parameters, place, "second_moments.safetensors")
            state.progress = stored.progress
            guard state.progress.step == step else {
                throw TrainingError.run(path: place.path, reason: "holds the state of step \(state.progress.step)")
            }
            return state
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.run(path: place.path, reason: "cannot be read: \(error)")
        }
    }

    private func read(_ parameters: [TrainableParameter], _ place: URL, _ name: String) throws -> [Tensor] {
        let file = try SafetensorsFile(place.appending(path: name))
        guard file.tensorNames == parameters.map(\.name).sorted() else {
            throw TrainingError.run(path: place.path, reason: "\(name) holds other parameters than are trained")
        }
        return try parameters.map { parameter in
            let tensor = try file.tensor(named: parameter.name)
            guard tensor.dtype == .f32, tensor.shape == parameter.shape else {
                throw TrainingError.run(
                    path: place.path,
                    reason: "\(name), \(parameter.name): \(tensor.dtype) \(tensor.shape), not f32 \(parameter.shape)"
                )
            }
            return tensor
        }
    }
}

/// Tells whether a data file is the one a run began with.
struct DataIdentity: Sendable, Equatable, Codable {
    let byteCount: Int
    let examples: Int
    let crc32c: UInt32

    init(_ file: ExampleFile) {
        byteCount = file.byteCount
        examples = file.count
        crc32c = file.checksum
    }
}

/// `state.json`.
private struct StateFile: Codable {
    let progress: TrainingState.Progress
    let data: DataIdentity
}

extension TrainingRecipe {
    /// Checks that this recipe continues a run of `earlier`: how often is saved, logged and evaluated may change, and
    /// where the data lies; nothing that decides a weight.
    fileprivate func check(continues earlier: TrainingRecipe, at path: String) throws {
        var earlier = earlier
        earlier.output = output
        earlier.data.train = data.train
        earlier.data.eval = data.eval
        earlier.data.samples = data.samples
        earlier.data.sampleTokens = data.sampleTokens
        earlier.data.allowPrivateAddresses = data.allowPrivateAddresses
        earlier.trainer.loggingSteps = trainer.loggingSteps
        earlier.trainer.saveSteps = trainer.saveSteps
        earlier.trainer.saveTotalLimit = trainer.saveTotalLimit
        earlier.trainer.evalSteps = trainer.evalSteps
        earlier.trainer.peakFlops = trainer.peakFlops
        guard earlier != self else { return }
        let section =
            earlier.model != model
            ? "model" : earlier.data != data ? "data" : earlier.parameters != parameters ? "parameters" : "trainer"
        throw TrainingError.run(
            path: path,
            reason: "was made with another recipe (\(section)); resume with the same, or begin a new run"
        )
    }
}
