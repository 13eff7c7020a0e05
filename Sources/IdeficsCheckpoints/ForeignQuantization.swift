// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A way in which other tools store quantized matrices and which this package does not read.
struct ForeignQuantization {
    /// Says which way it is.
    let error: CheckpointError

    /// What such tools store in the place of, or beside, `NAME.weight`.
    private static let parts = [
        (".qweight", "GPTQ or AWQ"), (".weight_packed", "compressed-tensors"),
        (".SCB", "bitsandbytes' int8 (LLM.int8)"), (".weight.SCB", "bitsandbytes' int8 (LLM.int8)"),
        (".weight_scale_inv", "FP8"), (".weight_scale", "FP8 or compressed-tensors"), (".input_scale", "FP8"),
        (".W_q", "HQQ"), (".weight._data", "quanto"), (".weight_blocks", "MXFP4"),
    ]

    /// Types of 8-bit floats.
    private static let fp8: Set<StoredDType> = [.f8e4m3, .f8e5m2, .f8e4m3fnuz, .f8e5m2fnuz]

    /// The way the matrices among `names`, which the model needs and could not get, are stored; nil for no known one.
    init?(of names: Set<String>, in source: any TensorSource) {
        for name in names.sorted() {
            let stem = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
            let part = Self.parts.first { source.contains(stem + $0.0) }
            let isFP8 = source.metadata(named: name).map { Self.fp8.contains($0.dtype) } ?? false
            guard let method = part?.1 ?? (isFP8 ? "FP8" : nil) else { continue }
            let stored = part.map { stem + $0.0 } ?? name
            error = .unsupported(
                file: source.metadata(named: stored)?.fileName ?? "",
                field: stored,
                reason:
                    "quantized weights of \(method) are not read; use the model as it was before it was quantized, "
                    + "dequantize it, or quantize it with bitsandbytes' NF4 or `idefics quantize`"
            )
            return
        }
        return nil
    }
}
