// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor

/// A pretrained model of which an IDEFICS takes over tensors.
protocol Backbone: Sendable {
    /// Its weights.
    var checkpoint: Checkpoint { get }

    /// Where the parameter that IDEFICS calls `name` comes from.
    ///
    /// - Parameters:
    ///   - name: of a parameter that belongs to this part.
    ///   - shape: what IDEFICS needs.
    /// - Returns: tensors of the checkpoint and how they become the parameter.
    func origin(of name: String, shape: [Int]) -> ParameterOrigin

    /// Whether the checkpoint may hold the tensor `name` without any parameter coming from it.
    func isDispensable(_ name: String) -> Bool
}

/// Tensors of a backbone and how they become one parameter.
struct ParameterOrigin: Sendable {
    /// Names and shapes in the backbone's checkpoint.
    let sources: [(name: String, shape: [Int])]
    /// Makes the parameter, in any shape with the right number of elements.
    let make: @Sendable ([Tensor]) -> Tensor

    /// One tensor as it is.
    init(_ name: String, shape: [Int]) {
        self.init([(name, shape)]) { $0[0] }
    }

    /// Tensors from which `make` makes the parameter.
    init(_ sources: [(name: String, shape: [Int])], make: @escaping @Sendable ([Tensor]) -> Tensor) {
        self.sources = sources
        self.make = make
    }
}

extension Backbone {
    /// Checks that every parameter of `parameters` can be made and that nothing of the checkpoint is left over which
    /// the original model computes with.
    ///
    /// - Throws: `IdeficsError.model` with everything that does not fit.
    func check(_ parameters: [Weights.Parameter]) throws {
        var used: Set<String> = []
        var problems: [String] = []
        for parameter in parameters {
            for source in origin(of: parameter.name, shape: parameter.shape).sources {
                used.insert(source.name)
                guard let metadata = checkpoint.metadata(named: source.name) else {
                    problems.append("\(source.name) is missing")
                    continue
                }
                if metadata.shape != source.shape {
                    problems.append("\(source.name) is \(metadata.shape), expected \(source.shape)")
                }
                if metadata.dtype.dtype?.isWeight != true {
                    problems.append("\(source.name) has elements of type \(metadata.dtype.rawValue)")
                }
            }
        }
        let stale = Weights.staleKeys.map { String($0.dropFirst()) }
        for name in checkpoint.tensorNames where !used.contains(name) && !isDispensable(name) {
            if !stale.contains(where: { name.hasSuffix($0) }) { problems.append("\(name) has no place in IDEFICS") }
        }
        guard problems.isEmpty else {
            let rest = problems.count > 10 ? " (and \(problems.count - 10) more)" : ""
            throw IdeficsError.model(
                path: checkpoint.url.path,
                reason: problems.prefix(10).joined(separator: "; ") + rest
            )
        }
    }

    /// Makes one parameter, in the dtype of its origin or f32.
    ///
    /// - Throws: `CheckpointError` when a tensor cannot be read.
    func parameter(_ name: String, shape: [Int]) throws -> Tensor {
        let origin = origin(of: name, shape: shape)
        return origin.make(try origin.sources.map { try checkpoint.tensor(named: $0.name) }).reshaped(shape)
    }
}
