// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTensor

/// Formats of the parts of a model that differ from its text side.
struct PartOptions: ParsableArguments {
    /// A format, or `keep` for the checkpoint's own.
    struct Choice: ExpressibleByArgument {
        /// nil: the checkpoint's own.
        let format: QuantizedTensor.Format?

        init?(argument: String) {
            format = QuantizedTensor.Format(rawValue: argument)
            guard format != nil || argument == "keep" else { return nil }
        }

        static let allValueStrings = QuantizedTensor.Format.allCases.map(\.rawValue) + ["keep"]
    }

    @Option(help: "Format of the head, or keep. (default: int8)")
    var head: Choice?

    @Option(help: "Format of the embedding, or keep. (default: int8 with 4 bits, keep with int8)")
    var embeddings: Choice?

    @Option(help: "Format of the resampler, or keep. (default: int8 with 4 bits, keep with int8)")
    var resampler: Choice?

    @Option(help: "Format of the vision tower, or keep. (default: int8 with 4 bits, keep with int8)")
    var vision: Choice?

    /// The options for a text side of `format`, nil for one that is left as it is.
    func options(_ format: QuantizedTensor.Format?) -> QuantizationOptions {
        var options = format.map(QuantizationOptions.init) ?? QuantizationOptions(formats: [:])
        for (part, choice) in [
            (QuantizationOptions.Part.head, head), (.embeddings, embeddings), (.resampler, resampler),
            (.vision, vision),
        ] {
            guard let choice else { continue }
            options.formats[part] = choice.format
        }
        return options
    }
}
