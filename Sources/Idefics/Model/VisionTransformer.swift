// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsCheckpoints
import IdeficsNN
public import IdeficsTensor

/// The image encoder: a CLIP vision transformer without its projection, or, by `use_pre_layernorm`, a plain ViT.
///
/// Input is `[images, 3, height, width]`; output is `[images, positions, embedDim]`, the class token first: the last
/// layer's output without `post_layernorm`, as IDEFICS uses it (docs/model-spec.md §3.2, §3.3; `IdeficsVisionTransformer` of
/// transformers). Checkpoint prefix: `model.vision_model`.
public struct VisionTransformer: Sendable {
    let config: IdeficsVisionConfig
    let classEmbedding: Tensor
    let patchEmbedding: Linear
    let positionEmbedding: Tensor
    let preLayerNorm: LayerNorm?
    let layers: [VisionLayer]

    /// A tower of the parameters in `weights`; what is missing is noted there.
    public init(_ config: IdeficsVisionConfig, _ weights: Weights) {
        self.config = config
        let embeddings = weights["embeddings"]
        let patch = config.patchSize
        classEmbedding = cast(embeddings.tensor("class_embedding", shape: [config.embedDim])).reshaped([
            1, config.embedDim,
        ])
        let convolution = embeddings["patch_embedding"]
            .tensor("weight", shape: [config.embedDim, config.numChannels, patch, patch])
        patchEmbedding = Linear(
            weight: .dense(convolution.reshaped([config.embedDim, config.numChannels * patch * patch]))
        )
        positionEmbedding = cast(
            embeddings["position_embedding"].tensor("weight", shape: [config.numPositions, config.embedDim])
        )
        preLayerNorm =
            config.usePreLayerNorm ? weights.layerNorm("pre_layrnorm", config.embedDim, eps: config.layerNormEps) : nil
        layers = (0..<config.numHiddenLayers).map { VisionLayer(config, weights["encoder"]["layers"]["\($0)"]) }
        // Part of every checkpoint, though only an unused pooled output depends on it.
        _ = weights.layerNorm("post_layernorm", config.embedDim, eps: config.layerNormEps)
    }

    /// Images encoded together at most: more would not be faster, only need more memory.
    private static let imagesAtOnce = 8

    /// Encodes images of the configuration's size.
    ///
    /// - Parameter images: `[images, 3, imageSize, imageSize]`, normalized.
    /// - Returns: `[images, positions, embedDim]`.
    /// - Throws: `IdeficsError.input` for another size.
    public func callAsFunction(_ images: Tensor) throws -> Tensor {
        try self(images, interpolatePosEncoding: false, ForwardPass())
    }

    /// Encodes `images`.
    ///
    /// - Parameters:
    ///   - images: `[images, 3, height, width]`, normalized.
    ///   - interpolatePosEncoding: allows sizes other than the configuration's; positions are then resized bicubically.
    ///   - pass: how layers are run; its observer sees the embeddings and each layer's output.
    /// - Returns: `[images, positions, embedDim]`.
    /// - Throws: `IdeficsError.input` for a size the position embedding does not fit.
    func callAsFunction(
        _ images: Tensor,
        interpolatePosEncoding: Bool,
        _ pass: ForwardPass
    ) throws -> Tensor {
        let (height, width) = (images.shape[2], images.shape[3])
        let positions = try positions(height: height, width: width, isInterpolated: interpolatePosEncoding)
        let count = images.shape[0]
        let step = pass.observe == nil ? Self.imagesAtOnce : max(count, 1)
        let parts = stride(from: 0, to: count, by: step).map { start in
            encode(images[start..<min(start + step, count)], positions: positions, pass)
        }
        guard !parts.isEmpty else {
            return Tensor.zeros([0, positions.shape[0], config.embedDim], on: positions.device)
        }
        return concatenate(parts)
    }

    private func encode(_ images: Tensor, positions: Tensor, _ pass: ForwardPass) -> Tensor {
        let count = images.shape[0]
        let tokens = positions.shape[0]
        let patches = patchEmbedding(
            patchify(images, patchSize: config.patchSize),
            residual: concatenate(Array(repeating: positions[1..<tokens], count: count)),
            precision: pass.precision
        )
        let classRow = add(classEmbedding, positions[0..<1])
        var hidden = concatenate(
            (0..<count).flatMap { [classRow, patches[$0 * (tokens - 1)..<($0 + 1) * (tokens - 1)]] }
        )
        let shape = [count, tokens, config.embedDim]
        pass.observe?("vision.embeddings", hidden.reshaped(shape))
        if let preLayerNorm {
            hidden = preLayerNorm(hidden)
            pass.observe?("vision.pre_layrnorm", hidden.reshaped(shape))
        }
        for (index, layer) in layers.enumerated() {
            hidden = pass.run(.vision(index)) { [hidden] in
                layer(hidden, tokensPerImage: tokens, precision: pass.precision)
            }
            pass.observe?("vision.layer.\(index)", hidden.reshaped(shape))
        }
        return hidden.reshaped(shape)
    }

    /// The position embedding for images of `height` × `width`, `[positions, embedDim]`.
    private func positions(height: Int, width: Int, isInterpolated: Bool) throws -> Tensor {
        if isInterpolated {
            guard !positionEmbedding.isRecorded else {
                throw IdeficsError.input(
                    field: "interpolate_pos_encoding",
                    reason: "a position embedding that is trained cannot be resized"
                )
            }
            guard height >= config.patchSize, width >= config.patchSize else {
                throw IdeficsError.input(field: "pixel_values", reason: "\(height) × \(width) is less than one patch")
            }
            return interpolatePositions(
                positionEmbedding,
                rows: height / config.patchSize,
                columns: width / config.patchSize,
                isSquareImage: height == width
            )
        }
        guard height == config.imageSize, width == config.imageSize else {
            throw IdeficsError.input(
                field: "pixel_values",
                reason: "images of \(height) × \(width), the model takes \(config.imageSize) × \(config.imageSize)"
                    + " (or use interpolate_pos_encoding)"
            )
        }
        return positionEmbedding
    }
}

/// One pre-norm layer of the vision tower: full attention and a two-layer network, both with biases.
struct VisionLayer: Sendable {
    let layerNorm1: LayerNorm
    let qProj: Linear
    let kProj: Linear
    let vProj: Linear
    let outProj: Linear
    let layerNorm2: LayerNorm
    let fc1: Linear
    let fc2: Linear
    let heads: Int
    let activation: Activation

    init(_ config: IdeficsVisionConfig, _ weights: Weights) {
        let width = config.embedDim
        layerNorm1 = weights.layerNorm("layer_norm1", width, eps: config.layerNormEps)
        let attention = weights["self_attn"]
        qProj = attention.linear("q_proj", width, width, bias: true)
        kProj = attention.linear("k_proj", width, width, bias: true)
        vProj = attention.linear("v_proj", width, width, bias: true)
        outProj = attention.linear("out_proj", width, width, bias: true)
        layerNorm2 = weights.layerNorm("layer_norm2", width, eps: config.layerNormEps)
        fc1 = weights["mlp"].linear("fc1", config.intermediateSize, width, bias: true)
        fc2 = weights["mlp"].linear("fc2", width, config.intermediateSize, bias: true)
        heads = config.numAttentionHeads
        activation = Activation(rawValue: config.hiddenAct) ?? .gelu
    }

    /// `hidden` is `[images · tokensPerImage, embedDim]`, as is the result.
    func callAsFunction(_ hidden: Tensor, tokensPerImage: Int, precision: Precision) -> Tensor {
        let projections = [qProj.product(), kProj.product(), vProj.product()]
        let qkv = linear(layerNorm1(hidden), projections, precision: precision)
        let segments = stride(from: 0, to: hidden.shape[0], by: tokensPerImage).map { start in
            let rows = start..<start + tokensPerImage
            return AttentionSegment(
                queries: rows,
                pages: KeyValuePages(k: qkv[1][rows], v: qkv[2][rows]),
                keyCount: tokensPerImage
            )
        }
        let scale = 1 / Float(hidden.shape[1] / heads).squareRoot()
        let context = attention(qkv[0], segments, heads: heads, kvHeads: heads, scale: scale)
        let attended = outProj(context, residual: hidden, precision: precision)
        let inner = fc1(layerNorm2(attended), activation: activation, precision: precision)
        return fc2(inner, residual: attended, precision: precision)
    }
}
