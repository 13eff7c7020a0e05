// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

extension DeferredBackend: Backend {
    func linear(_ x: Tensor, _ products: [LinearProduct], precision: Precision) -> [Tensor] {
        let parts = products.flatMap { $0.weight.tensors.map(Optional.some) + [$0.bias, $0.scale, $0.residual] }
        return deferred(products.map { ([x.shape[0], $0.weight.shape[0]], .f32) }, reading: [x] + parts) { cpu, views in
            cpu.linear(views(x), products.map { views($0) }, precision: precision)
        }
    }

    func attention(
        _ q: Tensor,
        _ segments: [AttentionSegment],
        heads: Int,
        kvHeads: Int,
        scale: Float,
        dropout: AttentionDropout?
    ) -> Tensor {
        for place in segments.flatMap({ $0.pages.k + $0.pages.v }) { _ = queue.buffer(place.storage) }
        return deferred(q.shape, reading: [q]) { cpu, views in
            let segments = segments.map { views($0) }
            return cpu.attention(
                views(q),
                segments,
                heads: heads,
                kvHeads: kvHeads,
                scale: scale,
                dropout: dropout
            )
        }
    }

    func writeKeyValueRows(_ x: Tensor, to place: MemoryPlace, type: KeyValueType, kvHeads: Int) {
        _ = (queue.buffer(x.storage), queue.buffer(place.storage))
        queue.enqueue { [cpu, queue] in
            var views = HostViews(queue)
            cpu.writeKeyValueRows(views(x), to: views(place), type: type, kvHeads: kvHeads)
        }
    }

    func copyBytes(from source: MemoryPlace, to target: MemoryPlace, byteCount: Int) {
        _ = (queue.buffer(source.storage), queue.buffer(target.storage))
        queue.enqueue { [cpu, queue] in
            var views = HostViews(queue)
            cpu.copyBytes(from: views(source), to: views(target), byteCount: byteCount)
        }
    }

    func rmsNorm(_ x: Tensor, weight: Tensor, eps: Float) -> Tensor {
        deferred(x.shape, reading: [x, weight]) { $0.rmsNorm($1(x), weight: $1(weight), eps: eps) }
    }

    func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor?, eps: Float) -> Tensor {
        deferred(x.shape, reading: [x, weight, bias]) {
            $0.layerNorm($1(x), weight: $1(weight), bias: $1(bias), eps: eps)
        }
    }

    func rope(_ x: Tensor, positions: [Int32], inverseFrequencies: Tensor, heads: Int) -> Tensor {
        deferred(x.shape, reading: [x, inverseFrequencies]) {
            $0.rope($1(x), positions: positions, inverseFrequencies: $1(inverseFrequencies), heads: heads)
        }
    }

    func swiglu(gate: Tensor, up: Tensor) -> Tensor {
        deferred(gate.shape, reading: [gate, up]) { $0.swiglu(gate: $1(gate), up: $1(up)) }
    }

    func tanh(_ x: Tensor) -> Tensor {
        deferred(x.shape, reading: [x]) { $0.tanh($1(x)) }
    }

    func add(_ a: Tensor, _ b: Tensor) -> Tensor {
        deferred(a.shape, reading: [a, b]) { $0.add($1(a), $1(b)) }
    }

    func embedding(_ table: Weight, ids: [Int32]) -> Tensor {
        deferred([ids.count, table.shape[1]], reading: table.tensors) { $0.embedding($1(table), ids: ids) }
    }

    func cast(_ x: Tensor, to dtype: DType) -> Tensor {
        x.dtype == dtype ? x : deferred(x.shape, dtype, reading: [x]) { $0.cast($1(x), to: dtype) }
    }

    func patchify(_ images: Tensor, patchSize: Int) -> Tensor {
        let (count, channels, height, width) = (images.shape[0], images.shape[1], images.shape[2], images.shape[3])
        let patches = count * (height / patchSize) * (width / patchSize)
        return deferred([patches, channels * patchSize * patchSize], reading: [images]) {
            $0.patchify($1(images), patchSize: patchSize)
        }
    }

    func concatenate(_ parts: [Tensor]) -> Tensor {
        if parts.count == 1 { return parts[0] }
        let shape = [parts.reduce(0) { $0 + $1.shape[0] }] + parts[0].shape.dropFirst()
        return deferred(shape, parts[0].dtype, reading: parts) { cpu, views in
            cpu.concatenate(parts.map { views($0) })
        }
    }

    func concatenateColumns(_ parts: [Tensor]) -> Tensor {
        if parts.count == 1 { return parts[0] }
        let shape = [parts[0].shape[0], parts.reduce(0) { $0 + $1.shape[1] }]
        return deferred(shape, reading: parts) { cpu, views in cpu.concatenateColumns(parts.map { views($0) }) }
    }

    func gatherRows(_ x: Tensor, _ indices: [Int]) -> Tensor {
        deferred([indices.count] + x.shape.dropFirst(), x.dtype, reading: [x]) { $0.gatherRows($1(x), indices) }
    }
}
