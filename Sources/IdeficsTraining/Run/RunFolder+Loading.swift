// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor

extension RunFolder {
    /// The state of the checkpoint of `step`, checked against the parameters, the recipe, the data and the model.
    ///
    /// - Throws: `TrainingError.run` naming the file and what does not fit.
    func load(
        _ step: Int,
        parameters: [TrainableParameter],
        recipe: TrainingRecipe,
        data: DataIdentity,
        model: ModelIdentity,
        exampleCount: Int
    )
        throws -> TrainingState
    {
        let place = checkpoint(step)
        let stored = try stateFile(step)
        try recipe.check(continues: storedRecipe(step), at: place.path)
        guard stored.data == data else {
            throw TrainingError.run(path: place.path, reason: "the training data is another than it was")
        }
        if let difference = stored.model?.difference(from: model) {
            throw TrainingError.run(path: place.path, reason: "the model is another than it was: \(difference)")
        }
        try stored.progress.check(
            step: step,
            exampleCount: exampleCount,
            at: place.appending(path: StateFile.name).path
        )
        do {
            return TrainingState(
                values: try read(parameters, place, "parameters.safetensors").map(\.values),
                moments: try readMoments(parameters, place, optim: recipe.trainer.optim),
                progress: stored.progress
            )
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.run(path: place.path, reason: "cannot be read: \(error)")
        }
    }

    /// Whether the checkpoint of `step` was made by a run of this recipe, data and model, and holds nothing else.
    func isCheckpoint(_ step: Int, of recipe: TrainingRecipe, data: DataIdentity, model: ModelIdentity) -> Bool {
        let place = checkpoint(step)
        guard let names = try? Files.names(in: place.path),
            Set(names).isSubset(of: Self.checkpointFiles),
            let stored = try? stateFile(step), let earlier = try? storedRecipe(step)
        else { return false }
        return stored.progress.step == step && stored.data == data && stored.model == model
            && (try? recipe.check(continues: earlier, at: place.path)) != nil
    }

    /// What `save` writes.
    private static let checkpointFiles: Set = [
        "parameters.safetensors", "first_moments.safetensors", "second_moments.safetensors", "recipe.json",
        StateFile.name,
    ]

    private func stateFile(_ step: Int) throws -> StateFile {
        let url = checkpoint(step).appending(path: StateFile.name)
        do {
            return try JSONReader.decode(StateFile.self, from: Files.read(url), file: url.path)
        } catch let error as JSONError {
            throw TrainingError.run(
                path: url.path,
                reason: [error.place, error.reason].filter { !$0.isEmpty }.joined(separator: ": ")
            )
        } catch {
            throw TrainingError.run(path: url.path, reason: "cannot be read: \(error.localizedDescription)")
        }
    }

    private func storedRecipe(_ step: Int) throws -> TrainingRecipe {
        let url = checkpoint(step).appending(path: "recipe.json")
        do {
            return try TrainingRecipe(yaml: String(decoding: Files.read(url), as: UTF8.self))
        } catch let error as TrainingError {
            throw TrainingError.run(path: url.path, reason: "\(error)")
        } catch {
            throw TrainingError.run(path: url.path, reason: "cannot be read: \(error.localizedDescription)")
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
