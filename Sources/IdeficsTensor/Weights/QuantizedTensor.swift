// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

/// A weight `[outFeatures, inFeatures]` whose elements are codes of 4 or 8 bits with a scale for every 64 of them.
///
/// The layouts are those of `idefics_kernels.h` ("Quantized weights"); a checkpoint holds them as they are, so they are
/// mapped, never repacked.
public struct QuantizedTensor: Sendable {
    /// How elements are stored.
    public enum Format: String, Sendable, CaseIterable {
        /// 8 bits, −128...127 times the scale of 64 columns of a row.
        case int8
        /// 4 bits, −8...7 times the scale of 64 columns of a row.
        case int4
        /// 4 bits: one of 16 quantiles of a normal distribution times the largest magnitude of 64 elements.
        ///
        /// bitsandbytes' layout (QLoRA, arXiv:2305.14314, section 3).
        case nf4
    }

    /// How elements are stored.
    public let format: Format
    /// `[outFeatures, inFeatures]`.
    public let shape: [Int]
    /// `[codeByteCount]`, `u8`.
    public let codes: Tensor
    /// `[scaleCount]`, `bf16` for `int8` and `int4`, `f32` for `nf4`.
    public let scales: Tensor

    /// A weight of parts that fit each other.
    ///
    /// - Precondition: `codes` and `scales` have the types and sizes of `format` and `shape`.
    public init(format: Format, shape: [Int], codes: Tensor, scales: Tensor) {
        precondition(
            shape.count == 2 && codes.dtype == .u8 && codes.count == Self.codeByteCount(format, shape: shape)
                && scales.dtype == Self.scaleType(format) && scales.count == Self.scaleCount(format, shape: shape),
            "QuantizedTensor: \(format) \(shape) of codes \(codes.shape), scales \(scales.dtype) \(scales.shape)"
        )
        self.format = format
        self.shape = shape
        self.codes = codes
        self.scales = scales
    }

    /// `weight`, `[outFeatures, inFeatures]` in f32, bf16 or f16, rounded so that the squared error of each group is
    /// small: scales are searched, not taken from the largest element (`nf4`: bitsandbytes' rounding).
    public init(_ weight: Tensor, format: Format) {
        precondition(
            weight.shape.count == 2 && weight.dtype.isWeight,
            "QuantizedTensor: \(weight.dtype) \(weight.shape)"
        )
        self = weight.quantization.quantize(weight, format: format)
    }

    /// Bytes of codes and scales.
    public var byteCount: Int { codes.byteCount + scales.byteCount }

    /// The values, `[outFeatures, inFeatures]` in f32.
    public func dequantized() -> Tensor { codes.quantization.dequantize(self) }

    /// The same weight in the memory of `device`.
    public func to(_ device: Device) -> QuantizedTensor {
        QuantizedTensor(format: format, shape: shape, codes: codes.to(device), scales: scales.to(device))
    }

    /// Rows `range`, a view.
    ///
    /// - Precondition: `range` begins at a multiple of 64, where the parts of every layout do, and is not empty.
    public subscript(range: Range<Int>) -> QuantizedTensor {
        precondition(
            range.lowerBound % 64 == 0 && range.lowerBound >= 0 && range.upperBound <= shape[0] && !range.isEmpty,
            "QuantizedTensor: rows \(range) of \(shape)"
        )
        let slice = [range.count, shape[1]]
        // What lies before the range is as long as a weight of so many rows.
        let before = [range.lowerBound, shape[1]]
        let code = Self.codeByteCount(format, shape: before)
        let scale = Self.scaleCount(format, shape: before)
        return QuantizedTensor(
            format: format,
            shape: slice,
            codes: codes[code..<code + Self.codeByteCount(format, shape: slice)],
            scales: scales[scale..<scale + Self.scaleCount(format, shape: slice)]
        )
    }

    // MARK: - Layout

    /// Bytes of the codes of a weight of `shape`.
    public static func codeByteCount(_ format: Format, shape: [Int]) -> Int {
        Int(idf_quantized_bytes(format.kernelType, Int64(shape[0]), Int64(shape[1])))
    }

    /// Scales of a weight of `shape`.
    public static func scaleCount(_ format: Format, shape: [Int]) -> Int {
        Int(idf_scale_count(format.kernelType, Int64(shape[0]), Int64(shape[1])))
    }

    /// How scales are stored.
    public static func scaleType(_ format: Format) -> DType {
        format == .nf4 ? .f32 : .bf16
    }

    /// The values that codes of `nf4` stand for, before their scale.
    public static var nf4Table: [Float] {
        withUnsafeBytes(of: idf_nf4_table) { Array($0.bindMemory(to: Float.self)) }
    }

    /// Scales of `nf4` that were quantized themselves: `table[codes[i]] · scales[i / 256] + offset`.
    ///
    /// - Parameters:
    ///   - codes: `[scaleCount]`, `u8`.
    ///   - table: 256 values in f32.
    ///   - scales: one for every 256 codes, in f32.
    ///   - offset: what was subtracted before the second quantization.
    /// - Returns: `[scaleCount]` in f32.
    public static func nf4Scales(codes: Tensor, table: Tensor, scales: Tensor, offset: Float) -> Tensor {
        precondition(
            codes.dtype == .u8 && table.count == 256 && scales.count >= (codes.count + 255) / 256,
            "nf4Scales: \(codes.count) codes, a table of \(table.count), \(scales.count) scales"
        )
        return codes.quantization.nf4Scales(codes: codes, table: table, scales: scales, offset: offset)
    }
}

extension QuantizedTensor.Format {
    var kernelType: idf_dtype {
        switch self {
        case .int8: IDF_INT8
        case .int4: IDF_INT4
        case .nf4: IDF_NF4
        }
    }
}
