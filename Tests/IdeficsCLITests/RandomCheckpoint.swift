// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport

/// A checkpoint with random weights for any configuration.
enum RandomCheckpoint {
    /// Writes `model.safetensors` beside the configuration: every tensor the model asks for, by its name and shape.
    static func write(config url: URL, seed: UInt64) throws {
        let tensors = Locked<[String: Tensor]>([:])
        let generator = Locked(SeededGenerator(seed: seed))
        let weights = Weights { name, shape in
            let count = shape.reduce(1, *)
            let values = generator.withLock { generator in
                (0..<count).map { _ in
                    Float.random(in: -0.15...0.15, using: &generator) + (name.contains("norm") ? 1 : 0)
                }
            }
            let tensor = Tensor(values, shape: shape)
            tensors.withLock { $0[name] = tensor }
            return tensor
        }
        _ = IdeficsModel(try IdeficsConfig(contentsOf: url), weights)
        try SafetensorsWriter.write(
            tensors.withLock { $0 },
            to: url.deletingLastPathComponent().appending(path: "model.safetensors")
        )
    }
}
