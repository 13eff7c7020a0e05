// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Settings of the optimizer that some parameters share, as in torch's parameter groups.
package struct ParameterGroup: Sendable, Hashable {
    /// Factor of the learning rate.
    package var learningRateMultiplier = 1.0
    /// Decoupled decay: parameters shrink by learning rate · this in each step.
    package var weightDecay = 0.0

    /// Settings of a group.
    package init(learningRateMultiplier: Double = 1, weightDecay: Double = 0) {
        self.learningRateMultiplier = learningRateMultiplier
        self.weightDecay = weightDecay
    }
}

/// Which group each parameter belongs to; patterns of names are resolved once, when a run begins.
package struct ParameterGroups: Sendable, Equatable {
    /// The groups, each once, in the order of their first parameters.
    package private(set) var groups: [ParameterGroup] = []
    private var places: [Int] = []

    /// The groups that `config` puts parameters into.
    ///
    /// - Parameters:
    ///   - names: of the parameters, in their order.
    ///   - config: whose multipliers and decay they are.
    package init(names: [String], config: TrainingConfig) {
        var found: [ParameterGroup: Int] = [:]
        for name in names {
            let group = ParameterGroup(
                learningRateMultiplier: config.learningRateMultiplier(name),
                weightDecay: config.isDecayed(name) ? config.weightDecay : 0
            )
            let place = found[group] ?? groups.count
            if place == groups.count {
                found[group] = place
                groups.append(group)
            }
            places.append(place)
        }
    }

    /// The group of the parameter `index`.
    package subscript(index: Int) -> ParameterGroup { groups[places[index]] }
}
