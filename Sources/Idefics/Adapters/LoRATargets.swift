// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsCheckpoints
import IdeficsFoundation

/// What a `LoRAConfig` means for a model: its layers with adapters, and its parameters that are trained in full.
public struct LoRATargets: Sendable {
    /// A linear layer of a model.
    public struct Layer: Sendable, Equatable {
        /// Its name, to which `.weight` is the parameter's.
        public let path: String
        /// `[outFeatures, inFeatures]`.
        public let shape: [Int]

        /// Whether it is the head, which PEFT leaves out where all linear layers are meant.
        var isHead: Bool { path == "lm_head" }
    }

    /// Layers that get adapters, in the model's order.
    public let layers: [Layer]
    /// Modules that are trained in full, by their whole names.
    public let savedModules: [String]
    /// The parameters of `savedModules`, in the model's order.
    public let savedParameters: [Weights.Parameter]

    /// What `config` means for a model of `architecture`.
    ///
    /// - Throws: `IdeficsError.config` for values no adapter can have, for a name that is none of the model's, and when
    ///   nothing is left.
    public init(_ config: LoRAConfig, for architecture: IdeficsConfig) throws {
        do {
            try config.validate()
            let parameters = IdeficsModel.parameters(of: architecture)
            let modules = try Self.modules(config.modulesToSave, of: parameters.map(\.name))
            savedModules = modules
            savedParameters = parameters.filter { parameter in
                modules.contains { parameter.name.hasPrefix("\($0).") }
            }
            // With added tokens the head has more columns than its weight, which PEFT's adapters cannot have.
            let isHeadAdaptable = architecture.additionalVocabSize == 0 && config.targetModules != .allLinear
            let adaptable = Self.layers(of: architecture).filter { !$0.isHead || isHeadAdaptable }
            let isTarget = try Self.choice(config.targetModules, "target_modules", of: adaptable)
            let isExcluded = try config.excludeModules.map { try Self.choice($0, "exclude_modules", of: adaptable) }
            layers = adaptable.filter { layer in
                isTarget(layer.path) && isExcluded?(layer.path) != true
                    && !modules.contains { layer.path.hasPrefix("\($0).") || layer.path == $0 }
            }
            guard !layers.isEmpty else { throw ConfigProblem("target_modules", "no layer is left") }
        } catch let problem as ConfigProblem {
            throw IdeficsError.config(file: "LoRA", key: problem.key, reason: problem.reason)
        }
    }

    /// Every linear layer of the model that can have an adapter.
    ///
    /// The patch embedding is a convolution in PEFT, the embedding has other adapters there.
    static func layers(of architecture: IdeficsConfig) -> [Layer] {
        let found = Locked<[Layer]>([])
        _ = Weights.listing { weights in
            _ = IdeficsModel(
                architecture,
                weights.adapted { path, shape in
                    found.withLock { $0.append(Layer(path: path, shape: shape)) }
                    return nil
                }
            )
        }
        return found.withLock { $0 }
    }

    /// Whether a layer is of a choice, every part of which is of use.
    private static func choice(
        _ modules: LoRAConfig.Modules,
        _ key: String,
        of layers: [Layer]
    ) throws -> (String) -> Bool {
        switch modules {
        case .allLinear: return { _ in true }
        case .names(let names):
            if let unknown = names.first(where: { name in !layers.contains { LoRAConfig.isName(name, of: $0.path) } }) {
                throw ConfigProblem(key, "\"\(unknown)\" is the name of no layer that can have an adapter")
            }
            return { path in names.contains { LoRAConfig.isName($0, of: path) } }
        case .pattern(let pattern):
            let matching: Set<String>
            do {
                matching = try Set(RegularExpression(pattern).fullMatches(in: layers.map(\.path)))
            } catch {
                throw ConfigProblem(key, "\"\(pattern)\" is no regular expression that is supported: \(error)")
            }
            guard !matching.isEmpty else { throw ConfigProblem(key, "\"\(pattern)\" matches no layer") }
            return { matching.contains($0) }
        }
    }

    /// Whole names of the modules `names`; a list of modules, which PEFT cannot store, stands for its elements.
    private static func modules(_ names: [String], of parameters: [String]) throws -> [String] {
        var found: [String] = []
        for name in names {
            let before = found.count
            for parameter in parameters {
                let parts = parameter.split(separator: ".")
                // The shortest beginning of the parameter's name that `name` is, or ends.
                guard
                    var count = (1..<parts.count).first(where: { count in
                        LoRAConfig.isName(name, of: parts[..<count].joined(separator: "."))
                    })
                else { continue }
                while count < parts.count - 1, parts[count].allSatisfy(\.isNumber) { count += 1 }
                let module = parts[..<count].joined(separator: ".")
                if !found.contains(module) { found.append(module) }
            }
            guard found.count > before else { throw ConfigProblem("modules_to_save", "\"\(name)\" is no module") }
        }
        return found
    }
}
