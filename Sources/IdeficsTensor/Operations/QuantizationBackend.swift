// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What a device must be able to do to store weights and moments in few bits.
///
/// Shapes and formats are checked by the types that call these (`QuantizedTensor`, `DynamicTensor`, `InputStatistics`).
public protocol QuantizationBackend: Sendable {
    /// `weight`, `[outFeatures, inFeatures]` in f32, bf16 or f16, rounded to `format`.
    func quantize(_ weight: Tensor, format: QuantizedTensor.Format) -> QuantizedTensor

    /// The values of `weight` in f32.
    func dequantize(_ weight: QuantizedTensor) -> Tensor

    /// `table[codes[i]] · scales[i / 256] + offset`; see `QuantizedTensor.nf4Scales`.
    func nf4Scales(codes: Tensor, table: Tensor, scales: Tensor, offset: Float) -> Tensor

    /// The numbers of `tensor`, f32, in 8 bits each.
    func quantize(_ tensor: Tensor, map: DynamicTensor.Map) -> DynamicTensor

    /// The numbers of `tensor` in f32.
    func dequantize(_ tensor: DynamicTensor) -> Tensor

    /// Adds `aᵀ b` to `sum`, `[a's columns, b's columns]`, all in f32.
    func addOuterProduct(_ a: Tensor, _ b: Tensor, to sum: inout Tensor)

    /// `a − b`, both in f32 and of one shape.
    func subtract(_ a: Tensor, _ b: Tensor) -> Tensor

    /// The factorization that calibrated rounding uses of a sum of outer products, `[n, n]` in f32, made definite by
    /// `damping` times its mean diagonal; nil when it is not definite or not finite. `sum` is damped in place.
    func factorHessian(_ sum: inout Tensor, damping: Double) -> Tensor?

    /// A weight rounded so that its products with the calibration's inputs change least.
    func quantize(_ call: CalibratedRoundingCall) -> QuantizedTensor
}

/// A weight to be rounded for given inputs; see `InputStatistics.rounded`.
public struct CalibratedRoundingCall: Sendable {
    /// `[outFeatures, inFeatures]` in f32, bf16 or f16.
    public var weight: Tensor
    /// `int8` or `int4`.
    public var format: QuantizedTensor.Format
    /// Σ x xᵀ of the inputs, damped, `[inFeatures, inFeatures]`.
    public var hessian: Tensor
    /// Its factorization.
    public var factor: Tensor
    /// Σ (wanted output − weight · x) xᵀ, `[outFeatures, inFeatures]`; nil for nothing.
    public var drift: Tensor?
    /// How often all codes are gone over again.
    public var sweeps: Int
}

extension Tensor {
    /// What quantizes this tensor.
    ///
    /// - Precondition: its device can.
    var quantization: any QuantizationBackend {
        guard let quantization = device.quantization else { preconditionFailure("\(device) cannot quantize") }
        return quantization
    }
}
