// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Idefics
import IdeficsFoundation

/// Which parameters of a model are trained (docs/model-spec.md §6.2).
package struct FreezeRules {
    private let config: IdeficsConfig
    private let patterns: ParameterConfig

    package init(_ config: IdeficsConfig, _ patterns: ParameterConfig) throws {
        self.config = config
        self.patterns = patterns
        let classes = config.freezeTextModuleExceptions + config.freezeVisionModuleExceptions
        if let unknown = classes.first(where: { !Self.moduleClasses.contains($0) }) {
            throw TrainingError.parameters(
                reason: "config.json excepts modules of class \(unknown) from freezing; known: \(Self.moduleClasses)"
            )
        }
    }

    private static let moduleClasses = ["LayerNorm", "Linear", "Embedding"]

    /// The names of `names` that are trained, sorted.
    ///
    /// - Throws: `TrainingError.parameters` for a pattern that matches nothing, and when nothing is left.
    package func trained(of names: [String]) throws -> [String] {
        let train = patterns.train.map { GlobPattern($0) }
        let freeze = patterns.freeze.map { GlobPattern($0) }
        for pattern in train + freeze where !names.contains(where: pattern.matches) {
            throw TrainingError.parameters(reason: "no parameter of the model is named \(pattern)")
        }
        let trained = names.filter { name in
            if freeze.contains(where: { $0.matches(name) }) { return false }
            return !isFrozen(name) || train.contains { $0.matches(name) }
        }
        guard !trained.isEmpty else { throw TrainingError.parameters(reason: "nothing is trained") }
        return trained.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Whether the model's own configuration freezes `name`.
    private func isFrozen(_ name: String) -> Bool {
        let place = ParameterName(name)
        switch place.part {
        case .layers, .norm:
            // The text side's norms are no torch `LayerNorm`: only its products can be excepted.
            let isExcepted =
                config.freezeTextModuleExceptions.contains("Linear") && name.hasSuffix("_proj.weight")
            return config.freezeTextLayers && !isExcepted
        case .embedding: return place.role == "weight" && config.freezeTextLayers
        case .head: return place.role == "weight" && config.freezeLmHead
        case .vision:
            let isExcepted = config.freezeVisionModuleExceptions.contains(visionClass(of: name) ?? "")
            return config.freezeVisionLayers && !isExcepted
        case .resampler, .gatedCrossAttention, .other: return false
        }
    }

    /// The class of the module that a parameter of the vision tower belongs to, of those that can be excepted.
    private func visionClass(of name: String) -> String? {
        let parts = name.split(separator: ".")
        let module = parts.count > 1 ? parts[parts.count - 2] : ""
        if module.contains("norm") || module.hasSuffix("layrnorm") { return "LayerNorm" }
        if module == "position_embedding" { return "Embedding" }
        return module.hasSuffix("_proj") || module.hasPrefix("fc") ? "Linear" : nil
    }
}
