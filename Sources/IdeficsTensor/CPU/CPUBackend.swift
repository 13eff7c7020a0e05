// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

/// The operations on main memory: checks of shapes over the C kernels.
package struct CPUBackend: TrainingBackend {
    package init() { _ = Engine.defaultThreadCount }

    package func linear(_ x: Tensor, _ products: [LinearProduct], precision: Precision) -> [Tensor] {
        precondition(x.shape.count == 2, "linear: x \(x.shape) is not [rows, features]")
        let rows = x.shape[0]
        let inFeatures = x.shape[1]
        let outputs = products.map { product in
            Tensor(uninitialized: [rows, product.weight.shape[0]]) { _ in }
        }
        let jobs = zip(products, outputs).map { product, output in
            let outFeatures = product.weight.shape[0]
            precondition(
                product.weight.shape == [outFeatures, inFeatures],
                "linear: x \(x.shape) with weight \(product.weight.shape)"
            )
            precondition(product.bias.map { $0.count == outFeatures } ?? true, "linear: bias of another size")
            precondition(
                product.scale.map { $0.count == 1 || $0.count == outFeatures } ?? true,
                "linear: scale of another size"
            )
            precondition(product.residual.map { $0.shape == output.shape } ?? true, "linear: residual of another shape")
            OperationCount.add(rows: rows, inner: inFeatures, columns: outFeatures)
            let weight = product.weight.kernelWeight
            return idf_linear_job(
                weight: weight.bytes,
                dtype: weight.dtype,
                scales: weight.scales,
                exact: weight.isExact ? 1 : 0,
                bf16: precision.kernelFlag,
                n: Int64(outFeatures),
                bias: product.bias.map { UnsafePointer($0.floats) },
                activation: product.activation.kernelActivation,
                scale: product.scale.map { UnsafePointer($0.floats) },
                scale_count: Int64(product.scale?.count ?? 0),
                residual: product.residual.map { UnsafePointer($0.floats) },
                y: output.floats,
                ldy: Int64(outFeatures)
            )
        }
        withExtendedLifetime((x, products, outputs)) {
            WeightStream.holding(products) {
                idf_linear(jobs, Int64(jobs.count), x.floats, Int64(inFeatures), Int64(rows), Int64(inFeatures))
            }
        }
        return outputs
    }

    package func attention(
        _ q: Tensor,
        _ segments: [AttentionSegment],
        heads: Int,
        kvHeads: Int,
        scale: Float,
        dropout: AttentionDropout?
    ) -> Tensor {
        precondition(
            q.shape.count == 2 && heads > 0 && kvHeads > 0 && q.shape[1] % heads == 0 && heads % kvHeads == 0,
            "attention: q \(q.shape) with \(heads) heads, \(kvHeads) of keys"
        )
        let width = q.shape[1]
        let headDim = width / heads
        let isCovered = segments.reduce(0) { $0 + $1.queries.count } == q.shape[0]
        let output = isCovered ? Tensor(uninitialized: q.shape) { _ in } : Tensor.zeros(q.shape)
        withExtendedLifetime((q, segments, output)) {
            // The page tables must stay in place during the call, so they are laid out in one array.
            var pages = PageTables()
            let type = segments.first?.pages.type ?? .f32
            for segment in segments {
                precondition(segment.pages.type == type, "attention: keys of \(type) and of \(segment.pages.type)")
                precondition(
                    segment.queries.upperBound <= q.shape[0]
                        && segment.keyCount <= segment.pages.pageCount * segment.pages.pageTokens,
                    "attention: \(segment.keyCount) keys in \(segment.pages.pageCount) pages, queries \(segment.queries)"
                )
                pages.append(segment.pages)
            }
            pages.k.withUnsafeBufferPointer { k in
                pages.v.withUnsafeBufferPointer { v in
                    var page = 0
                    let kernelSegments = segments.map { segment in
                        defer { page += segment.pages.pageCount }
                        return idf_attention_segment(
                            q: q.floats + segment.queries.lowerBound * width,
                            out: output.floats + segment.queries.lowerBound * width,
                            query_count: Int64(segment.queries.count),
                            k_blocks: k.baseAddress.map { $0 + page },
                            v_blocks: v.baseAddress.map { $0 + page },
                            block_tokens: Int64(segment.pages.pageTokens),
                            key_count: Int64(segment.keyCount),
                            causal_past: Int64(segment.causalPast ?? -1),
                            dropout: kernelDropout(dropout, row: segment.queries.lowerBound)
                        )
                    }
                    idf_attention(
                        kernelSegments,
                        Int64(kernelSegments.count),
                        Int64(heads),
                        Int64(kvHeads),
                        Int64(headDim),
                        Int64(width),
                        Int64(width),
                        type.kernelType,
                        Int64(type.rowByteCount(kvHeads: kvHeads, headDim: headDim)),
                        scale
                    )
                }
            }
        }
        return output
    }

    package func writeKeyValueRows(_ x: Tensor, to place: MemoryPlace, type: KeyValueType, kvHeads: Int) {
        precondition(
            x.shape.count == 2 && kvHeads > 0 && x.shape[1] % kvHeads == 0,
            "writeKeyValueRows: x \(x.shape) with \(kvHeads) heads"
        )
        let headDim = x.shape[1] / kvHeads
        withExtendedLifetime((x, place)) {
            idf_kv_write(
                place.pointer,
                type.kernelType,
                x.floats,
                Int64(x.shape[0]),
                Int64(kvHeads),
                Int64(headDim),
                Int64(type.rowByteCount(kvHeads: kvHeads, headDim: headDim)),
                Int64(x.shape[1])
            )
        }
    }

    package func copyBytes(from source: MemoryPlace, to target: MemoryPlace, byteCount: Int) {
        withExtendedLifetime((source, target)) {
            target.pointer.copyMemory(from: source.pointer, byteCount: byteCount)
        }
    }

    package func rmsNorm(_ x: Tensor, weight: Tensor, eps: Float) -> Tensor {
        let n = weight.count
        precondition(n > 0 && x.count % n == 0, "rmsNorm: x \(x.shape), weight \(weight.shape)")
        return Tensor(uninitialized: x.shape) { y in
            withExtendedLifetime((x, weight)) {
                idf_rms_norm(y.floats, x.floats, weight.floats, eps, Int64(x.count / n), Int64(n))
            }
        }
    }

    package func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor?, eps: Float) -> Tensor {
        let n = weight.count
        precondition(n > 0 && x.count % n == 0, "layerNorm: x \(x.shape), weight \(weight.shape)")
        return Tensor(uninitialized: x.shape) { y in
            withExtendedLifetime((x, weight, bias)) {
                idf_layer_norm(y.floats, x.floats, weight.floats, bias?.floats, eps, Int64(x.count / n), Int64(n))
            }
        }
    }

    package func rope(_ x: Tensor, positions: [Int32], inverseFrequencies: Tensor, heads: Int) -> Tensor {
        precondition(
            x.shape.count == 2 && x.shape[0] == positions.count && x.shape[1] == heads * inverseFrequencies.count * 2,
            "rope: x \(x.shape), \(positions.count) positions, \(heads) heads, \(inverseFrequencies.count) frequencies"
        )
        return Tensor(uninitialized: x.shape) { y in
            withExtendedLifetime((x, inverseFrequencies)) {
                y.copyMemory(from: x.bytes, byteCount: x.byteCount)
                idf_rope(
                    y.floats,
                    positions,
                    inverseFrequencies.floats,
                    Int64(positions.count),
                    Int64(heads),
                    Int64(inverseFrequencies.count * 2),
                    Int64(x.shape[1])
                )
            }
        }
    }

    package func swiglu(gate: Tensor, up: Tensor) -> Tensor {
        precondition(gate.shape == up.shape, "swiglu: gate \(gate.shape), up \(up.shape)")
        return Tensor(uninitialized: gate.shape) { y in
            withExtendedLifetime((gate, up)) { idf_swiglu(y.floats, gate.floats, up.floats, Int64(gate.count)) }
        }
    }

    package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.shape == b.shape, "add: \(a.shape) and \(b.shape)")
        return Tensor(uninitialized: a.shape) { y in
            withExtendedLifetime((a, b)) { idf_add(y.floats, a.floats, b.floats, Int64(a.count)) }
        }
    }
}

/// The addresses of pages, laid out in arrays that stay in place during a kernel's call.
struct PageTables {
    private(set) var k: [UnsafeRawPointer] = []
    private(set) var v: [UnsafeRawPointer] = []

    /// Adds the pages of a segment; the caller keeps them alive.
    mutating func append(_ pages: KeyValuePages) {
        k.reserveCapacity(k.count + pages.pageCount)
        v.reserveCapacity(v.count + pages.pageCount)
        for place in pages.k { k.append(UnsafeRawPointer(place.pointer)) }
        for place in pages.v { v.append(UnsafeRawPointer(place.pointer)) }
    }
}

extension Precision {
    /// How kernels of products are told.
    var kernelFlag: Int32 { self == .bf16 ? 1 : 0 }
}
