// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

extension CPUBackend: QuantizationBackend {
    package func quantize(_ weight: Tensor, format: QuantizedTensor.Format) -> QuantizedTensor {
        let shape = weight.shape
        return quantized(format, shape) { codes, scales in
            withExtendedLifetime(weight) {
                idf_quantize(
                    codes,
                    scales,
                    format.kernelType,
                    weight.bytes,
                    weight.dtype.kernelType,
                    Int64(shape[0]),
                    Int64(shape[1])
                )
            }
        }
    }

    package func dequantize(_ weight: QuantizedTensor) -> Tensor {
        Tensor(uninitialized: weight.shape) { values in
            withExtendedLifetime(weight) {
                idf_dequantize(
                    values.floats,
                    weight.codes.bytes,
                    weight.scales.bytes,
                    weight.format.kernelType,
                    Int64(weight.shape[0]),
                    Int64(weight.shape[1])
                )
            }
        }
    }

    package func nf4Scales(codes: Tensor, table: Tensor, scales: Tensor, offset: Float) -> Tensor {
        Tensor(uninitialized: [codes.count]) { result in
            withExtendedLifetime((codes, table, scales)) {
                idf_nf4_absmax(
                    result.floats,
                    codes.bytes.assumingMemoryBound(to: UInt8.self),
                    table.floats,
                    scales.floats,
                    offset,
                    Int64(codes.count)
                )
            }
        }
    }

    package func quantize(_ tensor: Tensor, map: DynamicTensor.Map) -> DynamicTensor {
        let scaleShape = [DynamicTensor.scaleCount(tensor.shape)]
        let scales = TensorStorage(byteCount: scaleShape[0] * 4)
        let codes = Tensor(uninitialized: tensor.shape, dtype: .u8) { codes in
            withExtendedLifetime(tensor) {
                idf_dynamic_quantize(
                    codes.assumingMemoryBound(to: UInt8.self),
                    scales.pointer.floats,
                    tensor.floats,
                    map.kernelMap,
                    Int64(tensor.count)
                )
            }
        }
        return DynamicTensor(map: map, codes: codes, scales: Tensor(shape: scaleShape, dtype: .f32, storage: scales))
    }

    package func dequantize(_ tensor: DynamicTensor) -> Tensor {
        Tensor(uninitialized: tensor.codes.shape) { values in
            withExtendedLifetime(tensor) {
                idf_dynamic_dequantize(
                    values.floats,
                    tensor.codes.bytes.assumingMemoryBound(to: UInt8.self),
                    tensor.scales.floats,
                    tensor.map.kernelMap,
                    Int64(tensor.codes.count)
                )
            }
        }
    }

    // MARK: - Calibration

    package func addOuterProduct(_ a: Tensor, _ b: Tensor, to sum: inout Tensor) {
        let (left, right) = (transposed(a), transposed(b))
        let (tokens, columns) = (Int64(a.shape[0]), Int64(sum.shape[1]))
        let target = sum.uniqueFloats()
        withExtendedLifetime((left, right)) {
            let job = idf_linear_job(
                weight: right.bytes,
                dtype: IDF_F32,
                scales: nil,
                exact: 1,
                bf16: 0,
                n: columns,
                bias: nil,
                activation: IDF_ACT_NONE,
                scale: nil,
                scale_count: 0,
                residual: UnsafePointer(target),
                y: target,
                ldy: columns
            )
            withUnsafePointer(to: job) { idf_linear($0, 1, left.floats, tokens, Int64(left.shape[0]), tokens) }
        }
    }

    /// `[columns, rows]` of an f32 matrix `[rows, columns]`.
    private func transposed(_ x: Tensor) -> Tensor {
        precondition(x.shape.count == 2, "transposed: \(x.shape)")
        return Tensor(uninitialized: [x.shape[1], x.shape[0]]) { y in
            withExtendedLifetime(x) { idf_transpose(y.floats, x.floats, Int64(x.shape[0]), Int64(x.shape[1])) }
        }
    }

    package func subtract(_ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.shape == b.shape, "subtract: \(a.shape), \(b.shape)")
        return Tensor(uninitialized: a.shape) { result in
            a.withFloats { a in
                b.withFloats { b in
                    let result = result.floats
                    for index in 0..<a.count { result[index] = a[index] - b[index] }
                }
            }
        }
    }

    package func factorHessian(_ sum: inout Tensor, damping: Double) -> Tensor? {
        let size = sum.shape[0]
        let storage = TensorStorage(byteCount: size * size * 8)
        let isDefinite = idf_factor_hessian(
            storage.pointer.assumingMemoryBound(to: Double.self),
            sum.uniqueFloats(),
            Int64(size),
            damping
        )
        return isDefinite != 0 ? Tensor(shape: [size, size], dtype: .f32, storage: storage) : nil
    }

    package func quantize(_ call: CalibratedRoundingCall) -> QuantizedTensor {
        let shape = call.weight.shape
        return quantized(call.format, shape) { codes, scales in
            withExtendedLifetime(call) {
                var job = idf_calibrated_weight(
                    format: call.format.kernelType,
                    dtype: call.weight.dtype.kernelType,
                    weight: call.weight.bytes,
                    drift: call.drift.map { UnsafePointer($0.floats) },
                    hessian: UnsafePointer(call.hessian.floats),
                    factor: UnsafePointer(call.factor.floats),
                    k: Int64(shape[1]),
                    sweeps: Int64(call.sweeps)
                )
                idf_quantize_calibrated(codes, scales, &job, Int64(shape[0]))
            }
        }
    }

    /// A weight of `shape` whose codes and scales `body` writes.
    private func quantized(
        _ format: QuantizedTensor.Format,
        _ shape: [Int],
        _ body: (_ codes: UnsafeMutableRawPointer, _ scales: UnsafeMutableRawPointer) -> Void
    ) -> QuantizedTensor {
        let scaleShape = [QuantizedTensor.scaleCount(format, shape: shape)]
        let scaleType = QuantizedTensor.scaleType(format)
        let scales = TensorStorage(byteCount: scaleShape[0] * scaleType.byteCount)
        let codes = Tensor(uninitialized: [QuantizedTensor.codeByteCount(format, shape: shape)], dtype: .u8) {
            body($0, scales.pointer)
        }
        return QuantizedTensor(
            format: format,
            shape: shape,
            codes: codes,
            scales: Tensor(shape: scaleShape, dtype: scaleType, storage: scales)
        )
    }
}
