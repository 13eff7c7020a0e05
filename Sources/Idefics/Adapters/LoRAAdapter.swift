// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsCheckpoints
import IdeficsFoundation
public import IdeficsTensor

/// Low-rank updates of a model's linear layers, and parameters that replace the model's: what fine-tuning learned, beside
/// the model that it was learned on.
public struct LoRAAdapter: Sendable {
    /// The update of one layer: `scaling · b · a`.
    public struct Layer: Sendable {
        /// `[r, inFeatures]`.
        public let a: Tensor
        /// `[outFeatures, r]`.
        public let b: Tensor

        /// The two factors.
        public init(a: Tensor, b: Tensor) {
            self.a = a
            self.b = b
        }
    }

    /// What the adapter is.
    public let config: LoRAConfig
    /// Updates by the name of the layer.
    public let layers: [String: Layer]
    /// Parameters in the place of the model's, by name.
    public let savedParameters: [String: Tensor]

    /// An adapter of parts that fit the model it is for.
    public init(config: LoRAConfig, layers: [String: Layer], savedParameters: [String: Tensor] = [:]) {
        self.config = config
        self.layers = layers
        self.savedParameters = savedParameters
    }

    /// The update of the layer `path`; nil when it has none.
    ///
    /// - Parameters:
    ///   - path: The layer's name.
    ///   - dropoutSeed: For a pass of training: decides, with `path`, what dropout leaves out.
    /// - Returns: What the layer adds to its product.
    public func update(of path: String, dropoutSeed: UInt64? = nil) -> LowRankAdapter? {
        layers[path].map { layer in
            LowRankAdapter(
                a: layer.a,
                b: layer.b,
                scaling: config.scaling(of: path),
                dropout: dropoutSeed.map { .init(probability: config.loraDropout, seed: $0 ^ stableHash(path)) }
            )
        }
    }

    /// The weights of `source` with this adapter: what a model is made of.
    ///
    /// - Parameters:
    ///   - source: The checkpoint, dense or quantized.
    ///   - isExact: Whether products with quantized weights leave the activations as they are; slower.
    ///   - dropoutSeed: For a pass of training; see `update(of:dropoutSeed:)`.
    ///   - device: Where the model is to lie.
    /// - Returns: The root.
    public func weights(
        over source: any TensorSource,
        isExact: Bool = false,
        dropoutSeed: UInt64? = nil,
        device: Device = .cpu
    ) -> Weights {
        let base = savedParameters.isEmpty ? source : OverlaidTensors(source, replaced: savedParameters)
        return Weights(base, isExact: isExact, device: device).adapted { path, _ in
            update(of: path, dropoutSeed: dropoutSeed)?.to(device)
        }
    }
}
