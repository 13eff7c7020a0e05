// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import IdeficsTensor

/// How a model is trained; names and meanings are those of transformers' `TrainingArguments` in camel case.
///
/// The section `trainer` of a recipe. Defaults are what the model card did where it says so.
public struct TrainingConfig: Sendable, Equatable, Codable {
    /// How the learning rate goes on after the warm-up.
    public enum Schedule: String, Sendable, Codable, CaseIterable {
        /// Straight down to 0 at the last step.
        case linear
        /// As it is.
        case constant
        /// Half a cosine down to 0 at the last step.
        case cosine
    }

    /// How parameters follow their gradients; names are those of transformers' `optim`.
    public enum Optimizer: String, Sendable, Codable, CaseIterable {
        /// AdamW in torch's order.
        case adamw = "adamw_torch"
        /// The same with moments in 8 bits, as bitsandbytes has them.
        case adamw8bit = "adamw_8bit"
    }

    /// Learning rate after the warm-up.
    public var learningRate = 1e-5
    /// Factors of the learning rate for parameters by pattern of their names, `*` for any text; where several match, their
    /// product.
    public var learningRateMultipliers: [String: Double] = [:]
    /// Steps over which the learning rate grows from 0.
    public var warmupSteps = 0
    /// How it goes on.
    public var lrSchedulerType = Schedule.linear
    /// How parameters follow their gradients.
    public var optim = Optimizer.adamw
    /// Decoupled decay of AdamW: parameters shrink by learning rate · this in each step.
    public var weightDecay = 0.1
    /// Parameters whose names contain one of these are not decayed; the card's list (the whole resampler among them).
    public var noDecay = ["bias", "alpha", "layernorm", "ln", "layer_norm", "perceiver_resampler"]
    /// Decay of AdamW's mean of gradients.
    public var adamBeta1 = 0.9
    /// Decay of AdamW's mean of squared gradients.
    public var adamBeta2 = 0.999
    /// Added to the root of the mean square.
    public var adamEpsilon = 1e-8
    /// Gradients whose norm over all parameters is larger are scaled down to it; 0 for no limit.
    public var maxGradNorm = 1.0
    /// Examples of a micro-batch.
    public var perDeviceTrainBatchSize = 4
    /// Tokens of a micro-batch, which then has fewer examples where they are long; 0 for no limit.
    public var maxBatchTokens = 0
    /// Micro-batches of a step.
    public var gradientAccumulationSteps = 1
    /// Times the data is gone through, if `maxSteps` is 0.
    public var numTrainEpochs = 1.0
    /// Steps of the run; 0 to count by epochs.
    public var maxSteps = 0
    /// Seed of the order of the data and of everything else random.
    public var seed: UInt64 = 42
    /// Share of the elements of each branch's output and of the weights of attention that are dropped; nil for what the
    /// model's configuration says.
    public var dropout: Double?
    /// Factor of the z-loss; the card's pre-training had 0.001, its instruct models 0.
    public var zLossWeight = 0.0
    /// Whether products are in bf16 and what layers keep is, too: twice as fast where the machine has such products.
    ///
    /// Parameters and moments stay as they are.
    public var bf16 = false
    /// Whether layers keep only their inputs and are computed again in the backward pass: a third more time, less memory.
    public var gradientCheckpointing = false
    /// Steps between lines of metrics.
    public var loggingSteps = 1
    /// Steps between checkpoints; 0 for one at the end only.
    public var saveSteps = 500
    /// Checkpoints that are kept; 0 for all.
    public var saveTotalLimit = 2
    /// Steps between evaluations; 0 for one after the last step only.
    public var evalSteps = 0
    /// Whether the evaluation data is also scored before the first step.
    public var evalOnStart = false
    /// A step whose gradient norm is larger than this times the running mean is left out; 0 for never.
    ///
    /// Steps whose loss or gradient is not a number are always left out.
    public var spikeFactor = 0.0
    /// After this many steps left out in a row the weights of the last checkpoint come back and the data goes on; 0 for
    /// never.
    public var rollbackAfterSkips = 0
    /// Operations a second the machine can do at best, for the utilisation; 0 to measure it.
    public var peakFlops = 0.0

    /// The defaults.
    public init() {}

    /// Reads a section of a recipe.
    public init(from decoder: any Decoder) throws {
        self.init()
        var keys = try StrictKeys(decoder)
        try keys.read("learningRate", into: &learningRate)
        try keys.read("learningRateMultipliers", into: &learningRateMultipliers)
        try keys.read("warmupSteps", into: &warmupSteps)
        try keys.read("lrSchedulerType", into: &lrSchedulerType)
        try keys.read("optim", into: &optim)
        try keys.read("weightDecay", into: &weightDecay)
        try keys.read("noDecay", into: &noDecay)
        try keys.read("adamBeta1", into: &adamBeta1)
        try keys.read("adamBeta2", into: &adamBeta2)
        try keys.read("adamEpsilon", into: &adamEpsilon)
        try keys.read("maxGradNorm", into: &maxGradNorm)
        try keys.read("perDeviceTrainBatchSize", into: &perDeviceTrainBatchSize)
        try keys.read("maxBatchTokens", into: &maxBatchTokens)
        try keys.read("gradientAccumulationSteps", into: &gradientAccumulationSteps)
        try keys.read("numTrainEpochs", into: &numTrainEpochs)
        try keys.read("maxSteps", into: &maxSteps)
        try keys.read("seed", into: &seed)
        try keys.read("dropout", into: &dropout)
        try keys.read("zLossWeight", into: &zLossWeight)
        try keys.read("bf16", into: &bf16)
        try keys.read("gradientCheckpointing", into: &gradientCheckpointing)
        try keys.read("loggingSteps", into: &loggingSteps)
        try keys.read("saveSteps", into: &saveSteps)
        try keys.read("saveTotalLimit", into: &saveTotalLimit)
        try keys.read("evalSteps", into: &evalSteps)
        try keys.read("evalOnStart", into: &evalOnStart)
        try keys.read("spikeFactor", into: &spikeFactor)
        try keys.read("rollbackAfterSkips", into: &rollbackAfterSkips)
        try keys.read("peakFlops", into: &peakFlops)
        try keys.finish()
    }

    /// Checks every value.
    ///
    /// - Throws: `TrainingError.config` naming the first key whose value no run can have.
    public func validate() throws {
        func check(_ isGood: Bool, _ key: String, _ reason: String) throws {
            guard isGood else { throw TrainingError.config(key: "trainer.\(key)", reason: reason) }
        }
        func notNegative(_ value: Double, _ key: String) throws {
            try check(value >= 0 && value < 1e30, key, "\(value) must be a number, 0 or more")
        }
        func count(_ value: Int, _ key: String, from least: Int = 0) throws {
            try check(least...1_000_000_000 ~= value, key, "\(value) must be \(least) to 1000000000")
        }
        try notNegative(learningRate, "learningRate")
        for (pattern, factor) in learningRateMultipliers {
            try notNegative(factor, "learningRateMultipliers.\(pattern)")
        }
        try notNegative(weightDecay, "weightDecay")
        // As f32, in which steps are computed: 1 − beta or epsilon must not be 0 there.
        try check(0..<1 ~= Float(adamBeta1), "adamBeta1", "\(adamBeta1) must be 0 or more and less than 1 in f32")
        try check(0..<1 ~= Float(adamBeta2), "adamBeta2", "\(adamBeta2) must be 0 or more and less than 1 in f32")
        try check(
            adamEpsilon < 1 && Float(adamEpsilon) > 0,
            "adamEpsilon",
            "\(adamEpsilon) must be between 0 and 1, and not 0 in f32"
        )
        try notNegative(maxGradNorm, "maxGradNorm")
        try notNegative(zLossWeight, "zLossWeight")
        try check(
            dropout.map { $0 >= 0 && 0..<1 ~= Float($0) } ?? true,
            "dropout",
            "\(dropout ?? 0) must be 0 or more and less than 1 in f32"
        )
        try notNegative(peakFlops, "peakFlops")
        try check(
            spikeFactor == 0 || spikeFactor > 1 && spikeFactor < 1e30,
            "spikeFactor",
            "\(spikeFactor) must be more than 1, or 0 for never"
        )
        try check(
            numTrainEpochs > 0 && numTrainEpochs <= 1_000_000,
            "numTrainEpochs",
            "\(numTrainEpochs) must be more than 0 and at most 1000000"
        )
        try count(warmupSteps, "warmupSteps")
        try count(perDeviceTrainBatchSize, "perDeviceTrainBatchSize", from: 1)
        try count(maxBatchTokens, "maxBatchTokens")
        try count(gradientAccumulationSteps, "gradientAccumulationSteps", from: 1)
        try count(maxSteps, "maxSteps")
        try count(loggingSteps, "loggingSteps", from: 1)
        try count(saveSteps, "saveSteps")
        try count(saveTotalLimit, "saveTotalLimit")
        try count(evalSteps, "evalSteps")
        try count(rollbackAfterSkips, "rollbackAfterSkips")
        try check(
            maxBatchTokens == 0 || maxSteps > 0 || numTrainEpochs <= 1000,
            "numTrainEpochs",
            "\(numTrainEpochs) with maxBatchTokens: steps of more than 1000 epochs are not counted; give maxSteps"
        )
    }

    /// Whether the parameter `name` is decayed.
    public func isDecayed(_ name: String) -> Bool {
        !noDecay.contains { name.contains($0) }
    }

    /// What gradients of this norm over all parameters are multiplied with: torch's `clip_grad_norm_`, its 1e-6 included.
    package func gradientScale(norm: Double) -> Double {
        maxGradNorm > 0 ? min(1, maxGradNorm / (norm + 1e-6)) : 1
    }

    /// In which products are computed.
    var precision: Precision { bf16 ? .bf16 : .f32 }

    /// The factor of the learning rate of the parameter `name`.
    public func learningRateMultiplier(_ name: String) -> Double {
        // In the order of the patterns: products in another order may differ in the last bit.
        learningRateMultipliers.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .reduce(1) { GlobPattern($1.key).matches(name) ? $0 * $1.value : $0 }
    }

    /// The learning rate of a step.
    ///
    /// - Parameters:
    ///   - step: counted from 0, as transformers' schedulers count.
    ///   - total: steps of the run.
    /// - Returns: the learning rate.
    public func learningRate(step: Int, total: Int) -> Double {
        if step < warmupSteps { return learningRate * Double(step) / Double(warmupSteps) }
        let share = Double(step - warmupSteps) / Double(max(1, total - warmupSteps))
        switch lrSchedulerType {
        case .constant: return learningRate
        case .linear: return learningRate * max(0, 1 - share)
        case .cosine: return learningRate * max(0, 0.5 * (1 + cosine(.pi * min(share, 1))))
        }
    }
}
