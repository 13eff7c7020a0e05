// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics

/// Which model, and how its weights are stored and multiplied.
struct LoadOptions: ParsableArguments {
    @OptionGroup var modelOptions: ModelOptions

    @Option(
        help: """
            Quantise dense weights first: int8, int4 or nf4, other parts as `idefics quantize` does. The copy is kept in \
            the cache. (default: the weights as they are)
            """
    )
    var format: FormatArgument?

    @OptionGroup var memoryOptions: MemoryOptions

    @Flag(help: "Multiply quantised weights with the activations as they are, not quantised too; slower.")
    var exact = false

    /// Loads the model.
    func load() async throws -> ModelContainer {
        var directory = try await modelOptions.directory()
        if let format {
            let bar = ProgressBar()
            defer { bar.finish() }
            directory = try quantizedCopy(of: directory, options: QuantizationOptions(format.format)) {
                bar.show(completed: Int64($0), total: Int64($1))
            }
        }
        let container = try ModelContainer(directory: directory, isExact: exact, memory: memoryOptions.budget)
        if let plan = container.model.memoryPlan { Terminal.note("warning: \(MemoryOptions.warning(plan))") }
        for name in container.unexpectedTensors.prefix(10) {
            Terminal.note("the checkpoint has a tensor the model does not know: \(name)")
        }
        if container.unexpectedTensors.count > 10 {
            Terminal.note("… and \(container.unexpectedTensors.count - 10) more")
        }
        return container
    }
}
