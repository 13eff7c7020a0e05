// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTensor

/// A quantised format as an argument.
enum FormatArgument: String, ExpressibleByArgument, CaseIterable {
    case int8
    case int4
    case nf4

    var format: QuantizedTensor.Format {
        switch self {
        case .int8: .int8
        case .int4: .int4
        case .nf4: .nf4
        }
    }
}

/// Formats of the parts of a model that differ from its text side.
struct PartOptions: ParsableArguments {
    /// A format, or `keep` for the checkpoint's own.
    enum Choice: String, ExpressibleByArgument, CaseIterable {
        case int8
        case int4
        case nf4
        case keep
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
            options.formats[part] = QuantizedTensor.Format(rawValue: choice.rawValue)
        }
        return options
    }
}
