// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

extension DeferredBackend: TrainingBackend {
    func linearInputGradient(_ products: [(gradient: Tensor, weight: Weight)], precision: Precision) -> Tensor {
        let shape = [products[0].gradient.shape[0], products[0].weight.shape[1]]
        let parts = products.flatMap { [$0.gradient] + $0.weight.tensors }
        return deferred(shape, reading: parts) { cpu, views in
            cpu.linearInputGradient(
                products.map { (views($0.gradient), views($0.weight)) },
                precision: precision
            )
        }
    }

    func linearWeightGradient(_ gradient: Tensor, x: Tensor, precision: Precision) -> Tensor {
        deferred([gradient.shape[1], x.shape[1]], reading: [gradient, x]) {
            $0.linearWeightGradient($1(gradient), x: $1(x), precision: precision)
        }
    }

    func columnSums(_ a: Tensor, times b: Tensor?) -> Tensor {
        deferred([a.shape[1]], reading: [a, b]) { $0.columnSums($1(a), times: $1(b)) }
    }

    /// A number of the host, so all that waits is done.
    func dot(_ a: Tensor, _ b: Tensor) -> Double {
        let sum = deferred([1], .f64, reading: [a, b]) { cpu, views in
            let sum = cpu.dot(views(a), views(b))
            return Tensor(uninitialized: [1], dtype: .f64) { $0.storeBytes(of: sum, as: Double.self) }
        }
        return sum.toHost().withUnsafeBytes { $0.load(as: Double.self) }
    }

    func scaled(_ x: Tensor, by scale: Tensor, residual: Tensor?) -> Tensor {
        deferred(x.shape, reading: [x, scale, residual]) { $0.scaled($1(x), by: $1(scale), residual: $1(residual)) }
    }

    func activate(_ x: Tensor, _ activation: Activation) -> Tensor {
        deferred(x.shape, reading: [x]) { $0.activate($1(x), activation) }
    }

    func activateGradient(_ gradient: Tensor, x: Tensor, _ activation: Activation) -> Tensor {
        deferred(x.shape, reading: [gradient, x]) { $0.activateGradient($1(gradient), x: $1(x), activation) }
    }

    func attentionGradient(_ gradient: Tensor, _ call: AttentionCall) -> AttentionGradient {
        // Which pages there are is known at once; what their gradients are, later.
        var views = HostViews(queue)
        var shapeCall = call
        shapeCall.segments = call.segments.map { views($0) }
        let width = call.q.shape[1] / call.heads * call.kvHeads
        let places = call.arePagesWanted ? AttentionGradient.distinctPages(of: shapeCall.segments) : []
        var outputs: [(shape: [Int], dtype: DType)] = call.isQueryWanted ? [(call.q.shape, .f32)] : []
        for place in places {
            let shape = [call.segments[place.segment].pages.pageTokens, width]
            outputs += [(shape, .f32), (shape, .f32)]
        }
        let results = deferred(outputs, reading: [gradient, call.q, call.output]) { cpu, views in
            var host = call
            (host.q, host.output) = (views(call.q), views(call.output))
            host.segments = call.segments.map { views($0) }
            let found = cpu.attentionGradient(views(gradient), host)
            return (found.q.map { [$0] } ?? []) + found.pages.flatMap { [$0.k, $0.v] }
        }
        let first = call.isQueryWanted ? 1 : 0
        return AttentionGradient(
            q: call.isQueryWanted ? results[0] : nil,
            pages: places.enumerated().map { index, place in
                AttentionGradient.Page(
                    segment: place.segment,
                    index: place.index,
                    k: results[first + 2 * index],
                    v: results[first + 2 * index + 1]
                )
            }
        )
    }

    func rmsNormGradient(
        _ gradient: Tensor,
        x: Tensor,
        weight: Tensor,
        eps: Float,
        wanted: NormGradient.Wanted
    ) -> NormGradient {
        norm(gradient, x, weight, wanted) {
            $0.rmsNormGradient($1(gradient), x: $1(x), weight: $1(weight), eps: eps, wanted: wanted)
        }
    }

    func layerNormGradient(
        _ gradient: Tensor,
        x: Tensor,
        weight: Tensor,
        eps: Float,
        wanted: NormGradient.Wanted
    ) -> NormGradient {
        norm(gradient, x, weight, wanted) {
            $0.layerNormGradient($1(gradient), x: $1(x), weight: $1(weight), eps: eps, wanted: wanted)
        }
    }

    private func norm(
        _ gradient: Tensor,
        _ x: Tensor,
        _ weight: Tensor,
        _ wanted: NormGradient.Wanted,
        _ body: @escaping @Sendable (CPUBackend, inout HostViews) -> NormGradient
    ) -> NormGradient {
        var outputs: [(shape: [Int], dtype: DType)] = wanted.x ? [(x.shape, .f32)] : []
        if wanted.weight { outputs.append((weight.shape, .f32)) }
        if wanted.bias { outputs.append((weight.shape, .f32)) }
        var results = deferred(outputs, reading: [gradient, x, weight]) { cpu, views in
            let found = body(cpu, &views)
            return [found.x, found.weight, found.bias].compactMap(\.self)
        }[...]
        return NormGradient(
            x: wanted.x ? results.popFirst() : nil,
            weight: wanted.weight ? results.popFirst() : nil,
            bias: wanted.bias ? results.popFirst() : nil
        )
    }

    func swigluGradient(_ gradient: Tensor, gate: Tensor, up: Tensor) -> (gate: Tensor, up: Tensor) {
        let results = deferred([(gate.shape, .f32), (up.shape, .f32)], reading: [gradient, gate, up]) { cpu, views in
            let found = cpu.swigluGradient(views(gradient), gate: views(gate), up: views(up))
            return [found.gate, found.up]
        }
        return (results[0], results[1])
    }

    func tanhGradient(_ gradient: Tensor, y: Tensor) -> Tensor {
        deferred(y.shape, reading: [gradient, y]) { $0.tanhGradient($1(gradient), y: $1(y)) }
    }

    func dropout(_ x: Tensor, probability: Double, seed: UInt64, offset: UInt64) -> Tensor {
        deferred(x.shape, reading: [x]) { $0.dropout($1(x), probability: probability, seed: seed, offset: offset) }
    }

    func columns(_ x: Tensor, _ range: Range<Int>) -> Tensor {
        deferred([x.shape[0], range.count], reading: [x]) { $0.columns($1(x), range) }
    }

    // MARK: - What changes in place is made anew

    func accumulate(_ gradient: Tensor, into sum: inout Tensor, at offset: Int) {
        sum = deferred(sum.shape, reading: [gradient, sum]) { [old = sum] cpu, views in
            var result = Self.copy(views(old))
            cpu.accumulate(views(gradient), into: &result, at: offset)
            return result
        }
    }

    func scatterAdd(_ gradient: Tensor, into sum: inout Tensor, rows ids: [Int32]) {
        sum = deferred(sum.shape, reading: [gradient, sum]) { [old = sum] cpu, views in
            var result = Self.copy(views(old))
            cpu.scatterAdd(views(gradient), into: &result, rows: ids)
            return result
        }
    }

    func adamW(
        _ parameter: inout Tensor,
        firstMoment: inout Tensor,
        secondMoment: inout Tensor,
        gradient: Tensor,
        _ step: AdamWStep
    ) {
        let old = [parameter, firstMoment, secondMoment]
        let new = deferred(old.map { ($0.shape, $0.dtype) }, reading: old + [gradient]) { cpu, views in
            var (p, m, v) = (Self.copy(views(old[0])), Self.copy(views(old[1])), Self.copy(views(old[2])))
            cpu.adamW(&p, firstMoment: &m, secondMoment: &v, gradient: views(gradient), step)
            return [p, m, v]
        }
        (parameter, firstMoment, secondMoment) = (new[0], new[1], new[2])
    }

    func adamW(
        _ parameter: inout Tensor,
        firstMoment: inout DynamicTensor,
        secondMoment: inout DynamicTensor,
        gradient: Tensor,
        _ step: AdamWStep
    ) {
        let (first, second) = (firstMoment, secondMoment)
        let old = [parameter, first.codes, first.scales, second.codes, second.scales]
        let new = deferred(old.map { ($0.shape, $0.dtype) }, reading: old + [gradient]) { cpu, views in
            let copies = old.map { Self.copy(views($0)) }
            var p = copies[0]
            var m = DynamicTensor(map: first.map, codes: copies[1], scales: copies[2])
            var v = DynamicTensor(map: second.map, codes: copies[3], scales: copies[4])
            cpu.adamW(&p, firstMoment: &m, secondMoment: &v, gradient: views(gradient), step)
            return [p, m.codes, m.scales, v.codes, v.scales]
        }
        parameter = new[0]
        firstMoment = DynamicTensor(map: first.map, codes: new[1], scales: new[2])
        secondMoment = DynamicTensor(map: second.map, codes: new[3], scales: new[4])
    }

    /// Its losses are numbers of the host, so all that waits is done.
    func crossEntropy(_ call: CrossEntropyCall) -> CrossEntropyGradient {
        queue.flush()
        var views = HostViews(queue)
        var host = call
        host.hidden = views(call.hidden)
        host.heads = call.heads.map { views($0) }
        host.updates = call.updates.map { $0.map { HeadUpdate(input: views($0.input), weight: views($0.weight)) } }
        var found = cpu.crossEntropy(host)
        let device = queue.device
        found.hidden = found.hidden?.to(device)
        found.heads = found.heads.map { $0?.to(device) }
        found.updates = found.updates.map {
            $0.map { HeadUpdate(input: $0.input.to(device), weight: $0.weight.to(device)) }
        }
        return found
    }
}

extension DeferredBackend: QuantizationBackend {
    func quantize(_ weight: Tensor, format: QuantizedTensor.Format) -> QuantizedTensor {
        cpu.quantize(weight.toHost(), format: format).to(queue.device)
    }

    func dequantize(_ weight: QuantizedTensor) -> Tensor {
        deferred(weight.shape, reading: [weight.codes, weight.scales]) { $0.dequantize($1(weight)) }
    }

    func nf4Scales(codes: Tensor, table: Tensor, scales: Tensor, offset: Float) -> Tensor {
        deferred([codes.count], reading: [codes, table, scales]) {
            $0.nf4Scales(codes: $1(codes), table: $1(table), scales: $1(scales), offset: offset)
        }
    }

    func quantize(_ tensor: Tensor, map: DynamicTensor.Map) -> DynamicTensor {
        let outputs: [(shape: [Int], dtype: DType)] = [
            (tensor.shape, .u8), ([DynamicTensor.scaleCount(tensor.shape)], .f32),
        ]
        let results = deferred(outputs, reading: [tensor]) { cpu, views in
            let found = cpu.quantize(views(tensor), map: map)
            return [found.codes, found.scales]
        }
        return DynamicTensor(map: map, codes: results[0], scales: results[1])
    }

    func dequantize(_ tensor: DynamicTensor) -> Tensor {
        deferred(tensor.codes.shape, reading: [tensor.codes, tensor.scales]) { cpu, views in
            cpu.dequantize(DynamicTensor(map: tensor.map, codes: views(tensor.codes), scales: views(tensor.scales)))
        }
    }

    func addOuterProduct(_ a: Tensor, _ b: Tensor, to sum: inout Tensor) {
        sum = deferred(sum.shape, reading: [a, b, sum]) { [old = sum] cpu, views in
            var result = Self.copy(views(old))
            cpu.addOuterProduct(views(a), views(b), to: &result)
            return result
        }
    }

    func subtract(_ a: Tensor, _ b: Tensor) -> Tensor {
        deferred(a.shape, reading: [a, b]) { $0.subtract($1(a), $1(b)) }
    }

    func factorHessian(_ sum: inout Tensor, damping: Double) -> Tensor? {
        var host = sum.toHost()
        let factor = cpu.factorHessian(&host, damping: damping)
        sum = host.to(queue.device)
        return factor?.to(queue.device)
    }

    func quantize(_ call: CalibratedRoundingCall) -> QuantizedTensor {
        var host = call
        host.weight = call.weight.toHost()
        host.hessian = call.hessian.toHost()
        host.factor = call.factor.toHost()
        host.drift = call.drift?.toHost()
        return cpu.quantize(host).to(queue.device)
    }
}
