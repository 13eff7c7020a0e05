// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with a training run; every case says where.
public enum TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A key of a recipe is unknown or has a value no run can have; `key` is its path with dots, empty for the whole.
    case config(key: String, reason: String)
    /// A line of a data file is not an example; lines count from 1.
    case data(file: String, line: Int, reason: String)
    /// An example of another source is none, or cannot be had; `place` is in the source's own terms (a shard and a key).
    case example(place: String, reason: String)
    /// A data file as a whole cannot be used.
    case file(path: String, reason: String)
    /// What is asked to be trained is not in the model, or cannot be trained as it is stored.
    case parameters(reason: String)
    /// A run folder or a checkpoint in it cannot be used.
    case run(path: String, reason: String)

    /// One line for people.
    public var description: String {
        switch self {
        case .config(let key, let reason): key.isEmpty ? "recipe: \(reason)" : "recipe, \(key): \(reason)"
        case .data(let file, let line, let reason): "\(file), line \(line): \(reason)"
        case .file(let place, let reason), .run(let place, let reason), .example(let place, let reason):
            "\(place): \(reason)"
        case .parameters(let reason): "parameters: \(reason)"
        }
    }
}
