// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsNN
import IdeficsTensor

/// The operations that decide the speed of a model, at IDEFICS-9B's sizes.
enum KernelMeasurements {
    /// Products of one row with a weight: the work of generating a token.
    ///
    /// Each run streams over
    /// weights that no cache holds.
    static func matvec(_ dtype: DType) -> Measurement {
        let count = dtype == .f32 ? 8 : 16
        return Measurement(
            name: "matvec 11008 × 4096, \(dtype)",
            bound: .memory,
            work: Double(count * 11_008 * 4096 * dtype.byteCount)
        ) {
            let random = RandomWeights(dtype)
            let weights = (0..<count).map { _ in random.tensor([11_008, 4096]) }
            let x = RandomWeights(.f32).tensor([1, 4096])
            return {
                for weight in weights { _ = linear(x, LinearProduct(.dense(weight))) }
            }
        }
    }

    /// Products of `rows` rows with a weight: the work of reading a prompt or an image.
    static func gemm(rows: Int, outFeatures: Int, inFeatures: Int, _ dtype: DType) -> Measurement {
        Measurement(
            name: "gemm \(rows) × \(outFeatures) × \(inFeatures), \(dtype)",
            bound: .compute,
            work: 2 * Double(rows) * Double(outFeatures) * Double(inFeatures)
        ) {
            let weight = RandomWeights(dtype).tensor([outFeatures, inFeatures])
            let x = RandomWeights(.f32).tensor([rows, inFeatures])
            return { _ = linear(x, LinearProduct(.dense(weight))) }
        }
    }

    /// As `matvec`, with quantized weights.
    static func matvec(_ format: QuantizedTensor.Format) -> Measurement {
        let count = format == .int8 ? 24 : 40
        let shape = [11_008, 4096]
        let bytes =
            QuantizedTensor.codeByteCount(format, shape: shape)
            + QuantizedTensor.scaleCount(format, shape: shape) * QuantizedTensor.scaleType(format).byteCount
        return Measurement(name: "matvec 11008 × 4096, \(format)", bound: .memory, work: Double(count * bytes)) {
            let random = RandomWeights(.bf16)
            let weights = (0..<count).map { _ in random.quantized(format, shape) }
            let x = RandomWeights(.f32).tensor([1, 4096])
            return {
                for weight in weights { _ = linear(x, LinearProduct(weight)) }
            }
        }
    }

    /// As `gemm`, with quantized weights, against the limit of 8-bit products.
    static func gemm(
        rows: Int,
        outFeatures: Int,
        inFeatures: Int,
        _ format: QuantizedTensor.Format
    ) -> Measurement {
        Measurement(
            name: "gemm \(rows) × \(outFeatures) × \(inFeatures), \(format)",
            bound: .integer,
            work: 2 * Double(rows) * Double(outFeatures) * Double(inFeatures)
        ) {
            let weight = RandomWeights(.bf16).quantized(format, [outFeatures, inFeatures])
            let x = RandomWeights(.f32).tensor([rows, inFeatures])
            return { _ = linear(x, LinearProduct(weight)) }
        }
    }

    /// Attention of `queries` tokens over `keys`, through a cache's pages; one query is bound by memory.
    static func attention(
        _ name: String,
        queries: Int,
        keys: Int,
        heads: Int,
        headDim: Int,
        isCausal: Bool,
        type: KeyValueType = .f32
    ) -> Measurement {
        let width = heads * headDim
        let isMemoryBound = queries == 1
        let pairs = Double(queries) * Double(keys) / (isCausal && !isMemoryBound ? 2 : 1)
        return Measurement(
            name: "attention \(name): \(queries) × \(keys), \(heads) heads of \(headDim), \(type)",
            bound: isMemoryBound ? .memory : .compute,
            work: isMemoryBound
                ? Double(keys * 2 * type.rowByteCount(kvHeads: heads, headDim: headDim)) : 4 * pairs * Double(width)
        ) {
            let random = RandomWeights(.f32)
            let q = random.tensor([queries, width])
            var cache = KVCache(layerCount: 1, kvHeads: heads, headDim: headDim, type: type)
            cache.reserve(keys)
            cache.write(layer: 0, k: random.tensor([keys, width]), v: random.tensor([keys, width]))
            let segment = AttentionSegment(
                queries: 0..<queries,
                pages: cache.pages(layer: 0),
                keyCount: keys,
                causalPast: isCausal ? keys - queries : nil
            )
            return { _ = IdeficsTensor.attention(q, [segment], heads: heads, kvHeads: heads, scale: 0.1) }
        }
    }

    /// All of them.
    static func all() -> [Measurement] {
        [
            matvec(DType.bf16), matvec(DType.f32), matvec(QuantizedTensor.Format.int8),
            matvec(QuantizedTensor.Format.int4), matvec(QuantizedTensor.Format.nf4),
        ]
            + [QuantizedTensor.Format.int8, .int4].flatMap { format in
                [16, 128, 512].map { gemm(rows: $0, outFeatures: 11_008, inFeatures: 4096, format) }
            }
            + [DType.f32, .bf16, .f16].map { gemm(rows: 128, outFeatures: 4096, inFeatures: 4096, $0) }
            + [DType.f32, .bf16].map { gemm(rows: 512, outFeatures: 11_008, inFeatures: 4096, $0) }
            + [DType.f32, .bf16].map { gemm(rows: 257, outFeatures: 5120, inFeatures: 1280, $0) }
            + [gemm(rows: 16, outFeatures: 11_008, inFeatures: 4096, .bf16)]
            + [attention("vision", queries: 257, keys: 257, heads: 16, headDim: 80, isCausal: false)]
            + KeyValueType.allCases.map {
                attention("prefill", queries: 512, keys: 512, heads: 32, headDim: 128, isCausal: true, type: $0)
            }
            + KeyValueType.allCases.map {
                attention("decode", queries: 1, keys: 16_384, heads: 32, headDim: 128, isCausal: true, type: $0)
            }
    }
}
