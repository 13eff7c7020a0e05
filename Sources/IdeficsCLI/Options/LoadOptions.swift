// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor

/// Which model, and how its weights are stored and multiplied.
struct LoadOptions: ParsableArguments {
    @OptionGroup var modelOptions: ModelOptions

    @Option(
        help: """
            Quantise dense weights first: int8, int4 or nf4, other parts as `idefics quantize` does. The copy is kept in \
            the cache; see `idefics cache`. (default: the weights as they are)
            """
    )
    var format: QuantizedTensor.Format?

    @OptionGroup var memoryOptions: MemoryOptions

    @Flag(help: "Multiply quantized weights with the activations as they are, not quantized too; slower.")
    var exact = false

    @Option(help: "How keys and values are stored: f32, bf16 (half the memory) or int8 (about a quarter).")
    var cacheType = KeyValueType.f32

    @Option(help: "LoRA adapter to use with the model, as PEFT writes it: directory or ORG/NAME[@revision].")
    var adapter: String?

    /// Where the files of a model and of its adapter are.
    struct Directories {
        let model: URL
        let adapter: URL?

        /// Both.
        var all: [URL] { [model] + [adapter].compactMap(\.self) }
    }

    /// Finds the folders of the model and of the adapter, which the hub may be asked for.
    func directories() async throws -> Directories {
        Directories(model: try await modelOptions.directory(), adapter: try await adapterDirectory())
    }

    /// Loads the model.
    func load() async throws -> ModelContainer { try load(from: await directories()) }

    /// Loads the model in `directories`.
    func load(from directories: Directories) throws -> ModelContainer {
        var directory = directories.model
        if let format {
            let bar = ProgressBar()
            defer { bar.finish() }
            directory = try quantizedCopy(
                of: directory,
                options: QuantizationOptions(format),
                source: modelOptions.model,
                onWait: { Terminal.note("waiting for another process, which is making the same copy") },
                progress: { bar.show(completed: Int64($0), total: Int64($1)) }
            )
        }
        let container = try ModelContainer(
            directory: directory,
            isExact: exact,
            adapter: directories.adapter,
            memory: memoryOptions.budget,
            cacheType: cacheType
        )
        if let plan = container.memoryPlan { Terminal.note("warning: \(MemoryOptions.warning(plan))") }
        for name in container.unexpectedTensors.prefix(10) {
            Terminal.note("the checkpoint has a tensor the model does not know: \(printable(name))")
        }
        if container.unexpectedTensors.count > 10 {
            Terminal.note("… and \(container.unexpectedTensors.count - 10) more")
        }
        return container
    }

    private func adapterDirectory() async throws -> URL? {
        guard let adapter else { return nil }
        let bar = ProgressBar()
        defer { bar.finish() }
        return try await Idefics.adapterDirectory(of: adapter) { bar.show($0) }
    }
}
