// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How the elements of a tensor are stored.
///
/// Activations are always `f32`; `bf16` and `f16` are storage formats of weights; the integers carry ids and masks.
public enum DType: String, Sendable, CaseIterable, Hashable {
    /// IEEE 754 double precision.
    case f64
    /// IEEE 754 single precision.
    case f32
    /// The upper half of an `f32`.
    case bf16
    /// IEEE 754 half precision.
    case f16
    /// Signed 64-bit integer.
    case i64
    /// Signed 32-bit integer.
    case i32
    /// Signed 16-bit integer.
    case i16
    /// Signed 8-bit integer.
    case i8
    /// Unsigned 8-bit integer.
    case u8
    /// One byte, zero or one.
    case bool

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .f64, .i64: 8
        case .f32, .i32: 4
        case .bf16, .f16, .i16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// Whether the engine multiplies with weights of this type.
    public var isWeight: Bool {
        self == .f32 || self == .bf16 || self == .f16
    }
}
