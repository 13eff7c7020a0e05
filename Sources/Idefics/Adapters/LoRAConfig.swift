// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Which layers of a model get low-rank adapters and of what size; names and defaults are those of PEFT's `LoraConfig`.
///
/// A layer computes `W x + scaling · B A dropout(x)` with `scaling` = alpha / r, or alpha / √r (Hu et al.,
/// arXiv:2106.09685; Kalajdzievski, arXiv:2312.03732). Biases are never trained (`bias` = "none").
public struct LoRAConfig: Sendable, Equatable {
    /// A choice of modules.
    public enum Modules: Sendable, Equatable {
        /// Whole names, or their last parts (`q_proj`, `self_attn.q_proj`).
        case names([String])
        /// A regular expression that the whole name matches.
        case pattern(String)
        /// Every linear layer but the head.
        case allLinear

        /// PEFT's word for all linear layers.
        static let allLinearName = "all-linear"

        /// Reads what a user writes: `all-linear`, names separated by commas, or a regular expression, which has
        /// characters that names have not.
        public init(_ text: String) {
            let isNames = text.allSatisfy { $0.isLetter || $0.isNumber || "_.,".contains($0) }
            self =
                text == Self.allLinearName
                ? .allLinear
                : isNames ? .names(text.split(separator: ",").map(String.init)) : .pattern(text)
        }
    }

    /// Rank of the adapters.
    public var r = 8
    /// The update is scaled by this over the rank (or its root).
    public var loraAlpha: Float = 8
    /// Share of the elements of an adapter's input that training leaves out.
    public var loraDropout = 0.0
    /// Layers that get adapters.
    public var targetModules: Modules
    /// Layers that get none though `targetModules` names them.
    public var excludeModules: Modules?
    /// Whether alpha is divided by the root of the rank, which keeps the update's size at large ranks.
    public var useRslora = false
    /// Ranks of layers, by whole names, their last parts, or regular expressions of these.
    public var rankPattern: [String: Int] = [:]
    /// Alphas of layers, by whole names, their last parts, or regular expressions of these.
    public var alphaPattern: [String: Float] = [:]
    /// Modules that are trained in full and stored with the adapters, by whole names or their last parts.
    public var modulesToSave: [String] = []
    /// The model the adapter was made for; a note for people.
    public var baseModelNameOrPath: String?

    /// Adapters for `targetModules`, PEFT's defaults for the rest.
    public init(targetModules: Modules) {
        self.targetModules = targetModules
    }

    /// The largest rank that makes sense: no layer is larger.
    static let maximumRank = 1 << 16

    /// Refuses values no adapter can have.
    ///
    /// - Throws: `ConfigProblem`.
    func validate() throws {
        for (key, rank) in [("r", r)] + rankPattern.map({ ("rank_pattern.\($0.key)", $0.value) }) {
            guard 1...Self.maximumRank ~= rank else {
                throw ConfigProblem(key, "\(rank) is not in 1...\(Self.maximumRank)")
            }
        }
        for (key, alpha) in [("lora_alpha", loraAlpha)] + alphaPattern.map({ ("alpha_pattern.\($0.key)", $0.value) }) {
            guard alpha.isFinite, alpha > 0 else { throw ConfigProblem(key, "\(alpha) is not a positive number") }
        }
        guard 0..<1 ~= loraDropout else {
            throw ConfigProblem("lora_dropout", "\(loraDropout) is not 0 or more and less than 1")
        }
        for (key, names) in [("rank_pattern", rankPattern.map(\.key)), ("alpha_pattern", alphaPattern.map(\.key))] {
            for name in names.sorted() where !Self.isPlainName(name[...]) {
                do {
                    _ = try Self.expression(ofKey: name).matchesFully("model.layers.0.self_attn.q_proj")
                } catch {
                    throw ConfigProblem("\(key).\(name)", "is no regular expression that is supported: \(error)")
                }
            }
        }
        if let name = modulesToSave.first(where: { !Self.isPlainName($0[...]) }) {
            throw ConfigProblem("modules_to_save", "\"\(name)\" is no name of a module")
        }
    }

    private static func isPlainName(_ name: Substring) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    // MARK: - Layers

    /// The rank of the layer `path`.
    public func rank(of path: String) -> Int {
        Self.value(of: path, in: rankPattern) ?? r
    }

    /// The factor of the update of the layer `path`.
    public func scaling(of path: String) -> Float {
        let alpha = Double(Self.value(of: path, in: alphaPattern) ?? loraAlpha)
        let rank = Double(rank(of: path))
        return Float(alpha / (useRslora ? rank.squareRoot() : rank))
    }

    /// The value of the pattern that names `path`: of several the first, in the order in which PEFT writes them.
    private static func value<Value>(of path: String, in patterns: [String: Value]) -> Value? {
        let names = patterns.keys.filter { key in
            if isPlainName(key[...]) { return isName(key, of: path) }
            // What cannot be matched has been refused by `validate`.
            return (try? expression(ofKey: key).matchesFully(path)) ?? false
        }
        return names.min { $0.utf8.lexicographicallyPrecedes($1.utf8) }.flatMap { patterns[$0] }
    }

    /// What PEFT looks for in names of layers for a key that is no plain name.
    private static func expression(ofKey key: String) throws -> RegularExpression {
        try RegularExpression("(.*\\.)?(?:\(key))$")
    }

    /// Whether `name` is `path` or its last parts.
    static func isName(_ name: String, of path: String) -> Bool {
        path == name || path.hasSuffix(".\(name)")
    }

    /// Whether `path` is a module that `modulesToSave` names, or inside one.
    func isSaved(_ path: String) -> Bool {
        modulesToSave.contains { name in
            path == name || path.hasPrefix("\(name).") || path.hasSuffix(".\(name)") || path.contains(".\(name).")
        }
    }
}
