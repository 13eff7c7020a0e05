// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

// Every recorded operation against differences of its own values.
extension ConformanceCase {
    /// Gradients on the device beside differences of values in main memory, whose operations are compared with loops.
    ///
    /// The functions are smooth and their values about 1, so (4 d(h/2) − d(h)) / 3 of central differences d with h = 0.04
    /// leaves h⁴ ≈ 3e-6 of truncation; f32 values of outputs weighted by about 1 leave 1e-7 / 0.04 · √outputs ≈ 3e-5 of
    /// noise.
    static let gradients = GradientCase.all.map { item in
        ConformanceCase("gradients: \(item.name)", tolerance: 3e-4) { device in
            var random = TestNumbers(seed: UInt64(item.name.utf8.reduce(7) { $0 * 31 % 1_000_003 + Int($1) }))
            let inputs = item.shapes.map { random.tensor($0, margin: item.margin) }
            let leaves = inputs.map { $0.to(device).trainable() }
            let output = item.function(leaves)
            let seed = random.tensor(output.shape)
            let found = IdeficsTensor.gradients(of: output, seed: seed.to(output.device))
            let weights = seed.floatArray()
            return inputs.indices.map { input in
                let differences = inputs[input].floatArray().indices.map { element in
                    item.derivative(inputs, input, element, weights)
                }
                // A gradient that is missing has another size than its input.
                return Comparison(found[leaves[input]] ?? Tensor.zeros([0], on: device), differences)
            }
        }
    }
}

extension GradientCase {
    private static let step: Float = 0.04

    /// d Σ weights · f / d element, extrapolated from two central differences.
    fileprivate func derivative(_ inputs: [Tensor], _ input: Int, _ element: Int, _ weights: [Float]) -> Double {
        let (near, far) = (Self.step / 2, Self.step)
        return
            (4 * difference(inputs, input, element, near, weights) - difference(inputs, input, element, far, weights))
            / 3
    }

    private func difference(
        _ inputs: [Tensor],
        _ input: Int,
        _ element: Int,
        _ h: Float,
        _ weights: [Float]
    ) -> Double {
        func value(_ change: Float) -> Double {
            var changed = inputs
            var elements = inputs[input].floatArray()
            elements[element] += change
            changed[input] = Tensor(elements, shape: inputs[input].shape)
            return zip(function(changed).floatArray(), weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let middle = inputs[input].floatArray()[element]
        let width = Double(middle + h) - Double(middle - h)  // what f32 makes of 2h
        return (value(h) - value(-h)) / width
    }
}
