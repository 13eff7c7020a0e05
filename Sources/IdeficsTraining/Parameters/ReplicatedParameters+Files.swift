// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsCheckpoints
public import IdeficsFoundation
import IdeficsTensor

// Parameters and their moments in the folder of a checkpoint: three files of tensors with the parameters' names.

extension ReplicatedParameters {
    private static let valuesName = "parameters.safetensors"
    private static let firstName = "first_moments.safetensors"
    private static let secondName = "second_moments.safetensors"

    /// Values, first and second moments.
    public var fileNames: [String] { [Self.valuesName, Self.firstName, Self.secondName] }

    /// Writes values and moments.
    public func write(to directory: StagedDirectory) throws {
        let moments = moments.map(\.stored)
        try write(values.map { ["": $0] }, to: directory, name: Self.valuesName)
        try write(moments.map(\.first), to: directory, name: Self.firstName)
        try write(moments.map(\.second), to: directory, name: Self.secondName)
    }

    /// Writes tensors that belong to parameters, each named by its parameter and what is added to that.
    private func write(_ tensors: [[String: Tensor]], to directory: StagedDirectory, name: String) throws {
        let named = zip(parameters, tensors).flatMap { parameter, parts in
            parts.sorted { $0.key < $1.key }.map { (name: parameter.name + $0.key, tensor: $0.value) }
        }
        let declarations = named.map {
            SafetensorsWriter.Declaration(name: $0.name, dtype: $0.tensor.dtype, shape: $0.tensor.shape)
        }
        let writer = try SafetensorsWriter(directory.url.appending(path: name), tensors: declarations)
        for (name, tensor) in named { try tensor.toHost().withUnsafeBytes { try writer.append($0, to: name) } }
        try writer.finish()
    }

    /// Takes values and moments of a checkpoint, checked against the parameters.
    public mutating func read(from directory: URL) throws {
        do {
            let values = try read(directory, Self.valuesName).map(\.values)
            let moments = try readMoments(directory)
            (self.values, self.moments) = (values, moments)
            zeroGradients()
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.run(path: directory.path, reason: "cannot be read: \(error)")
        }
    }

    /// The tensors of the file `name`; those for which `isDynamic` says so in 8 bits, with scales.
    private func read(
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

    private func readMoments(_ place: URL) throws -> [Moments] {
        func isDynamic(_ parameter: TrainableParameter) -> Bool {
            rule.momentKind(of: parameter.name, count: parameter.count) == .dynamic
        }
        let first = try read(place, Self.firstName, isDynamic: isDynamic)
        let second = try read(place, Self.secondName, isDynamic: isDynamic)
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
