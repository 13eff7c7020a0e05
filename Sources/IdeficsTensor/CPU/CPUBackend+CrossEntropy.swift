// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

extension CPUBackend {
    /// Floats of logits that exist at a time: 32 MiB.
    private static let logitsAtOnce = 8 << 20

    package func crossEntropy(_ call: CrossEntropyCall) -> CrossEntropyGradient {
        let (rows, features) = (call.hidden.shape[0], call.hidden.shape[1])
        let columns = call.heads.reduce(0) { $0 + $1.shape[0] }
        precondition(call.targets.count == rows && call.heads.allSatisfy { $0.shape[1] == features })
        let step = min(max(Self.logitsAtOnce / max(columns, 1), 16), 512)
        var losses = [Float](repeating: 0, count: rows)
        var logsumexps = losses
        let dhidden = call.isHiddenWanted ? Tensor(uninitialized: call.hidden.shape) { _ in } : nil
        let dheads = zip(call.heads, call.areHeadsWanted).map { head, isWanted in
            isWanted ? Tensor.zeros(head.shape) : nil
        }
        let dupdates = call.updates.map { update in
            update.flatMap { update in
                !call.areUpdatesWanted
                    ? nil
                    : HeadUpdate(
                        input: Tensor(uninitialized: update.input.shape) { _ in },
                        weight: .zeros(update.weight.shape)
                    )
            }
        }
        countOperations(call)
        let isGradient = dhidden != nil || call.areHeadsWanted.contains(true) || call.areUpdatesWanted
        let logits = Tensor(uninitialized: [min(step, max(rows, 1)), columns]) { _ in }
        withExtendedLifetime((call, logits, dhidden, dheads, dupdates)) {
            for start in stride(from: 0, to: rows, by: step) {
                let count = min(step, rows - start)
                let hidden = call.hidden.floats + start * features
                headProducts(call, logits: logits, hidden: hidden, rows: count)
                addUpdates(call, logits: logits, start: start, rows: count)
                let targets = Array(call.targets[start..<start + count])
                let zFactors = call.zFactors.map { Array($0[start..<start + count]) }
                losses.withUnsafeMutableBufferPointer { losses in
                    logsumexps.withUnsafeMutableBufferPointer { logsumexps in
                        guard let losses = losses.baseAddress, let logsumexps = logsumexps.baseAddress else { return }
                        idf_cross_entropy(
                            logits.floats,
                            losses + start,
                            logsumexps + start,
                            targets,
                            call.lossFactor,
                            zFactors,
                            isGradient ? 1 : 0,
                            Int64(count),
                            Int64(columns)
                        )
                    }
                }
                if let dhidden {
                    let products = headGradients(call.heads, logits: logits)
                    idf_linear_backward_input(
                        dhidden.floats + start * features,
                        products,
                        Int64(products.count),
                        Int64(count),
                        Int64(features),
                        call.precision.kernelFlag
                    )
                }
                var column = 0
                for (head, dhead) in zip(call.heads, dheads) {
                    if let dhead {
                        idf_linear_backward_weight(
                            dhead.floats,
                            logits.floats + column,
                            Int64(columns),
                            hidden,
                            IDF_F32,
                            Int64(features),
                            Int64(count),
                            Int64(head.shape[0]),
                            Int64(features),
                            1,
                            call.precision.kernelFlag
                        )
                    }
                    column += head.shape[0]
                }
                differentiateUpdates(call, dupdates, logits: logits, start: start, rows: count)
            }
        }
        return CrossEntropyGradient(
            losses: losses,
            logsumexps: logsumexps,
            hidden: dhidden,
            heads: dheads,
            updates: dupdates
        )
    }

    /// Counts the products of `call`: forward, and back where a gradient is wanted.
    private func countOperations(_ call: CrossEntropyCall) {
        let rows = call.hidden.shape[0]
        for (head, isWanted) in zip(call.heads, call.areHeadsWanted) {
            let passes = 1 + (call.isHiddenWanted ? 1 : 0) + (isWanted ? 1 : 0)
            OperationCount.add(rows: passes * rows, inner: head.shape[1], columns: head.shape[0])
        }
        for (_, update, _) in updates(call) {
            let passes = call.areUpdatesWanted ? 3 : 1
            OperationCount.add(rows: passes * rows, inner: update.weight.shape[1], columns: update.weight.shape[0])
        }
    }

    /// Heads with updates, and the columns of their logits.
    private func updates(_ call: CrossEntropyCall) -> [(index: Int, update: HeadUpdate, column: Int)] {
        var column = 0
        return zip(call.heads, call.updates).enumerated().compactMap { index, pair in
            defer { column += pair.0.shape[0] }
            return pair.1.map { (index, $0, column) }
        }
    }

    /// Adds the updates of `rows` rows from `start` on to their logits.
    private func addUpdates(_ call: CrossEntropyCall, logits: Tensor, start: Int, rows: Int) {
        for (_, update, column) in updates(call) {
            let rank = update.input.shape[1]
            let weight = Weight.dense(update.weight).kernelWeight
            let y = logits.floats + column
            let job = idf_linear_job(
                weight: weight.bytes,
                dtype: weight.dtype,
                scales: nil,
                exact: 1,
                bf16: 0,
                n: Int64(update.weight.shape[0]),
                bias: nil,
                activation: IDF_ACT_NONE,
                scale: nil,
                scale_count: 0,
                residual: y,
                y: y,
                ldy: Int64(logits.shape[1])
            )
            idf_linear([job], 1, update.input.floats + start * rank, Int64(rank), Int64(rows), Int64(rank))
        }
    }

    /// Gradients of the updates from those of the logits of `rows` rows from `start` on.
    private func differentiateUpdates(
        _ call: CrossEntropyCall,
        _ found: [HeadUpdate?],
        logits: Tensor,
        start: Int,
        rows: Int
    ) {
        for (index, update, column) in updates(call) {
            guard let gradient = found[index] else { continue }
            let (rank, features) = (update.input.shape[1], update.weight.shape[0])
            let weight = Weight.dense(update.weight).kernelWeight
            let product = idf_linear_gradient(
                dy: logits.floats + column,
                lddy: Int64(logits.shape[1]),
                weight: weight.bytes,
                dtype: weight.dtype,
                scales: nil,
                n: Int64(features)
            )
            idf_linear_backward_input(
                gradient.input.floats + start * rank,
                [product],
                1,
                Int64(rows),
                Int64(rank),
                0
            )
            idf_linear_backward_weight(
                gradient.weight.floats,
                logits.floats + column,
                Int64(logits.shape[1]),
                update.input.floats + start * rank,
                IDF_F32,
                Int64(rank),
                Int64(rows),
                Int64(features),
                Int64(rank),
                1,
                0
            )
        }
    }

    /// Logits of some rows, the heads side by side.
    private func headProducts(
        _ call: CrossEntropyCall,
        logits: Tensor,
        hidden: UnsafePointer<Float>,
        rows: Int
    ) {
        var column = 0
        let jobs = call.heads.map { head in
            defer { column += head.shape[0] }
            let weight = head.kernelWeight
            return idf_linear_job(
                weight: weight.bytes,
                dtype: weight.dtype,
                scales: weight.scales,
                exact: weight.isExact ? 1 : 0,
                bf16: call.precision.kernelFlag,
                n: Int64(head.shape[0]),
                bias: nil,
                activation: IDF_ACT_NONE,
                scale: nil,
                scale_count: 0,
                residual: nil,
                y: logits.floats + column,
                ldy: Int64(logits.shape[1])
            )
        }
        let features = Int64(call.heads.first?.shape[1] ?? 0)
        idf_linear(jobs, Int64(jobs.count), hidden, features, Int64(rows), features)
    }

    /// The heads with the gradients of their logits.
    private func headGradients(_ heads: [Weight], logits: Tensor) -> [idf_linear_gradient] {
        var column = 0
        return heads.map { head in
            defer { column += head.shape[0] }
            let weight = head.kernelWeight
            return idf_linear_gradient(
                dy: logits.floats + column,
                lddy: Int64(logits.shape[1]),
                weight: weight.bytes,
                dtype: weight.dtype,
                scales: weight.scales,
                n: Int64(head.shape[0])
            )
        }
    }
}
