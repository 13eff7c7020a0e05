// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
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

    /// Names of directories and files that were being written or removed.
    private static let unfinished =
        ["checkpoint-", "model", "adapter"].flatMap { name in
            [".\(name)*.tmp", ".\(name)*.old", name == "checkpoint-" ? "checkpoint-*.old" : "\(name).old"]
        } + [".metrics.jsonl.*.tmp", ".loss.svg.*.tmp"]

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
        data: DataIdentity,
        model: ModelIdentity
    )
        throws -> URL
    {
        let place = checkpoint(state.progress.step)
        let staged = try StagedDirectory(place, replacesExisting: true)
        let moments = state.moments.map(\.stored)
        try write(state.values.map { ["": $0] }, parameters, to: staged, name: "parameters.safetensors")
        try write(moments.map(\.first), parameters, to: staged, name: "first_moments.safetensors")
        try write(moments.map(\.second), parameters, to: staged, name: "second_moments.safetensors")
        try staged.write(recipe.json, to: "recipe.json")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try staged.write(
            encoder.encode(StateFile(progress: state.progress, data: data, model: model)),
            to: "state.json"
        )
        try staged.commit()
        return place
    }

    /// Writes tensors that belong to parameters, each named by its parameter and what is added to that.
    private func write(
        _ tensors: [[String: Tensor]],
        _ parameters: [TrainableParameter],
        to staged: StagedDirectory,
        name: String
    ) throws {
        let named = zip(parameters, tensors).flatMap { parameter, parts in
            parts.sorted { $0.key < $1.key }.map { (name: parameter.name + $0.key, tensor: $0.value) }
        }
        let declarations = named.map {
            SafetensorsWriter.Declaration(name: $0.name, dtype: $0.tensor.dtype, shape: $0.tensor.shape)
        }
        let writer = try SafetensorsWriter(staged.url.appending(path: name), tensors: declarations)
        for (name, tensor) in named { try tensor.withUnsafeBytes { try writer.append($0, to: name) } }
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
        data: DataIdentity,
        model: ModelIdentity
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
            if let difference = stored.model?.difference(from: model) {
                throw TrainingError.run(path: place.path, reason: "the model is another than it was: \(difference)")
            }
            let state = TrainingState(
                values: try read(parameters, place, "parameters.safetensors").map(\.values),
                moments: try readMoments(parameters, place, optim: recipe.trainer.optim),
                progress: stored.progress
            )
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

    /// The tensors of `parameters` in the file `name`; those for which `isDynamic` says so in 8 bits, with scales.
    private func read(
        _ parameters: [TrainableParameter],
        _ place: URL,
        _ name: String,
        isDynamic: (TrainableParameter) -> Bool = { _ in false }
    ) throws -> [(values: Tensor, scales: Tensor?)] {
        let file = try SafetensorsFile(place.appending(path: name))
        let names = parameters.flatMap { isDynamic($0) ? [$0.name, $0.name + Moments.scales] : [$0.name] }
        guard file.tensorNames == names.sorted() else {
            throw TrainingError.run(path: place.path, reason: "\(name) holds other parameters than are trained")
        }
        func tensor(_ tensorName: String, _ dtype: DType, _ shape: [Int]) throws -> Tensor {
            let tensor = try file.tensor(named: tensorName)
            guard tensor.dtype == dtype, tensor.shape == shape else {
                throw TrainingError.run(
                    path: place.path,
                    reason: "\(name), \(tensorName): \(tensor.dtype) \(tensor.shape), not \(dtype) \(shape)"
                )
            }
            return tensor
        }
        return try parameters.map { parameter in
            guard isDynamic(parameter) else { return (try tensor(parameter.name, .f32, parameter.shape), nil) }
            let scales = [DynamicTensor.scaleCount(parameter.shape)]
            return (
                try tensor(parameter.name, .u8, parameter.shape),
                try tensor(parameter.name + Moments.scales, .f32, scales)
            )
        }
    }

    private func readMoments(
        _ parameters: [TrainableParameter],
        _ place: URL,
        optim: TrainingConfig.Optimizer
    ) throws -> [Moments] {
        let first = try read(parameters, place, "first_moments.safetensors", isDynamic: optim.isDynamic)
        let second = try read(parameters, place, "second_moments.safetensors", isDynamic: optim.isDynamic)
        return zip(first, second).map { first, second in
            guard let scales = first.scales, let secondScales = second.scales else {
                return .f32(first: first.values, second: second.values)
            }
            return .dynamic(
                first: DynamicTensor(map: .signed, codes: first.values, scales: scales),
                second: DynamicTensor(map: .unsigned, codes: second.values, scales: secondScales)
            )
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
    /// nil in those of before it was stored.
    let model: ModelIdentity?
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
        earlier.trainer.evalOnStart = trainer.evalOnStart
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
