// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Cross-entropy after a head, for a backend: gradients are those of
/// Σ lossFactor · loss(row) + Σ zFactors[row] · logsumexp(row)².
public struct CrossEntropyCall: Sendable {
    /// `[rows, features]`.
    public var hidden: Tensor
    /// `[·, features]` each; their logits lie side by side.
    public var heads: [Weight]
    /// What is added to the logits of a head; nil for nothing.
    public var updates: [HeadUpdate?]
    /// The right column of each row; negative for none.
    public var targets: [Int32]
    /// Factor of every row's loss.
    public var lossFactor: Float
    /// Factors of the squared logsumexps; nil for none.
    public var zFactors: [Float]?
    /// Of the products with the heads.
    public var precision: Precision
    /// Whether the gradient of `hidden` is wanted.
    public var isHiddenWanted: Bool
    /// Whether the gradients of the updates are wanted.
    public var areUpdatesWanted: Bool
    /// Whether the gradients of the heads are wanted.
    public var areHeadsWanted: [Bool]
}

/// A second product that is added to the logits of a head: the last one of a low-rank adapter.
public struct HeadUpdate: Sendable {
    /// `[rows, r]`.
    public var input: Tensor
    /// `[outFeatures, r]`.
    public var weight: Tensor

    /// A product of `input` with `weight`.
    public init(input: Tensor, weight: Tensor) {
        (self.input, self.weight) = (input, weight)
    }
}

/// Losses of rows and their gradients.
public struct CrossEntropyGradient: Sendable {
    /// logsumexp − logit of the target, 0 without a target.
    public var losses: [Float]
    /// log Σ exp(logit).
    public var logsumexps: [Float]
    /// Like `hidden`.
    public var hidden: Tensor?
    /// Like the heads.
    public var heads: [Tensor?]
    /// Like the updates; nil where there is none.
    public var updates: [HeadUpdate?]
}

/// What losses are means over.
public struct LossCounts: Sendable, Equatable {
    /// Rows with a target.
    public var targets: Int
    /// Rows of the z-loss.
    public var zRows: Int

    /// Numbers of rows.
    public init(targets: Int, zRows: Int) {
        (self.targets, self.zRows) = (targets, zRows)
    }
}

/// A loss of tokens.
public struct TokenLoss: Sendable {
    /// `crossEntropy` + z-loss weight · `zMean`, `[1]`, to be differentiated.
    public let total: Tensor
    /// Mean over the counted targets; 0 when there are none.
    ///
    /// Of a part of a step, what it adds to the step's mean.
    public let crossEntropy: Float
    /// Mean of logsumexp² over the rows of the z-mask, likewise.
    public let zMean: Float
    /// Targets counted.
    public let count: Int
}

/// Mean cross-entropy of the logits `hidden · headsᵀ`, with the z-loss of M4 and PaLM (arXiv:2204.02311, section 5).
///
/// total = Σ loss / count + zLossWeight · Σ m · logsumexp² / Σ m. Logits exist for some rows at a time only; gradients are
/// computed with them, so the backward pass costs nothing more. Rows that count for neither sum cost nothing.
///
/// - Parameters:
///   - hidden: `[rows, features]`.
///   - heads: the rows of the vocabulary, then additional rows, `[·, features]` each.
///   - adapters: of the heads; nil for none.
///   - targets: the right token of each row; negative (−100) for none.
///   - zLossWeight: factor of the z-loss.
///   - zMask: m, the rows of the z-loss; nil for those with a target.
///   - counts: what the means are over; nil for the rows here. Losses of parts of a step, each with the counts of the
///     whole, add up to the loss of the step, however rows lie in parts.
///   - precision: of the products with the heads.
/// - Returns: the loss and its parts.
public func linearCrossEntropy(
    _ hidden: Tensor,
    heads: [Weight],
    adapters: [LowRankAdapter?] = [],
    targets: [Int],
    zLossWeight: Float = 0,
    zMask: [Bool]? = nil,
    counts: LossCounts? = nil,
    precision: Precision = .f32
) -> TokenLoss {
    let rows = hidden.shape[0]
    let columns = heads.reduce(0) { $0 + $1.shape[0] }
    precondition(
        targets.count == rows && zMask?.count ?? rows == rows && targets.allSatisfy { $0 < columns },
        "linearCrossEntropy: \(targets.count) targets for hidden \(hidden.shape), \(columns) columns"
    )
    let mask = zMask ?? targets.map { $0 >= 0 }
    let used = (0..<rows).filter { targets[$0] >= 0 || mask[$0] }
    let count = targets.count { $0 >= 0 }
    let (targetCount, zCount) = (counts?.targets ?? count, counts?.zRows ?? mask.count { $0 })
    let isWhole = used.count == rows
    let updates = adapters.map { adapter in
        adapter.map {
            HeadUpdate(
                input: $0.scaledInput(isWhole ? hidden : gatherRows(hidden, used), precision: precision),
                weight: $0.b
            )
        }
    }
    let zFactor = zCount > 0 ? zLossWeight / Float(zCount) : 0
    let result = hidden.training.crossEntropy(
        CrossEntropyCall(
            hidden: isWhole ? hidden.constant() : gatherRows(hidden.constant(), used),
            heads: heads,
            updates: updates.map { $0.map { HeadUpdate(input: $0.input.constant(), weight: $0.weight.constant()) } },
            targets: used.map { Int32(max(targets[$0], -1)) },
            lossFactor: targetCount > 0 ? 1 / Float(targetCount) : 0,
            zFactors: zFactor != 0 ? used.map { mask[$0] ? zFactor : 0 } : nil,
            precision: precision,
            isHiddenWanted: hidden.isRecorded,
            areUpdatesWanted: updates.contains { $0?.isRecorded == true },
            areHeadsWanted: heads.map(\.isRecorded)
        )
    )
    let lossSum = result.losses.reduce(0.0) { $0 + Double($1) }
    let zSum = zip(used, result.logsumexps).reduce(0.0) { mask[$1.0] ? $0 + Double($1.1) * Double($1.1) : $0 }
    let crossEntropy = targetCount > 0 ? lossSum / Double(targetCount) : 0
    let zMean = zCount > 0 ? zSum / Double(zCount) : 0
    var total = Tensor([Float(crossEntropy + Double(zLossWeight) * zMean)], shape: [1])
    if hidden.isRecorded || heads.contains(where: \.isRecorded) || updates.contains(where: { $0?.isRecorded == true }) {
        let target = hidden.target
        let headTargets = heads.map(\.target)
        let updateTargets = updates.map { $0.map { (input: $0.input.target, weight: $0.weight.target) } }
        total = total.recorded(precision) { gradient, walk in
            let scaled = { (tensor: Tensor) in tensor.scaledUnlessOne(by: gradient) }
            for (head, found) in zip(headTargets, result.heads) {
                if let found { walk.add(scaled(found), to: head) }
            }
            for (update, found) in zip(updateTargets, result.updates) {
                guard let update, let found else { continue }
                walk.add(scaled(found.input), to: update.input)
                walk.add(scaled(found.weight), to: update.weight)
            }
            guard let found = result.hidden else { return }
            if isWhole {
                walk.add(scaled(found), to: target)
            } else {
                walk.add(scaled(found), to: target, rows: used.map(Int32.init))
            }
        }
    }
    return TokenLoss(total: total, crossEntropy: Float(crossEntropy), zMean: Float(zMean), count: count)
}

extension HeadUpdate {
    /// Whether a gradient can flow into any part of it.
    fileprivate var isRecorded: Bool { input.isRecorded || weight.isRecorded }
}

extension Tensor {
    /// The elements times the one of `factor`; as they are for 1.
    fileprivate func scaledUnlessOne(by factor: Tensor) -> Tensor {
        if factor.withFloats({ $0[0] == 1 }) { return self }
        return training.scaled(reshaped([shape[0], count / max(shape[0], 1)]), by: factor.to(device), residual: nil)
            .reshaped(shape)
    }
}
