// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// The element type of a tensor as files name it, also where the engine has no use for it.
///
/// Raw values are the names of safetensors; the order of the cases is the order the official library lays files out in.
public enum StoredDType: String, Sendable, CaseIterable, Hashable {
    /// One byte, zero or one.
    case bool = "BOOL"
    /// 4-bit float, two in a byte.
    case f4 = "F4"
    /// 6-bit float, 3 bits of mantissa.
    case f6e2m3 = "F6_E2M3"
    /// 6-bit float, 2 bits of mantissa.
    case f6e3m2 = "F6_E3M2"
    /// Unsigned 8-bit integer.
    case u8 = "U8"
    /// Signed 8-bit integer.
    case i8 = "I8"
    /// 8-bit float, 2 bits of mantissa.
    case f8e5m2 = "F8_E5M2"
    /// 8-bit float, 3 bits of mantissa.
    case f8e4m3 = "F8_E4M3"
    /// 8-bit power of two.
    case f8e8m0 = "F8_E8M0"
    /// 8-bit float, 3 bits of mantissa, no negative zero.
    case f8e4m3fnuz = "F8_E4M3FNUZ"
    /// 8-bit float, 2 bits of mantissa, no negative zero.
    case f8e5m2fnuz = "F8_E5M2FNUZ"
    /// Signed 16-bit integer.
    case i16 = "I16"
    /// Unsigned 16-bit integer.
    case u16 = "U16"
    /// IEEE 754 half precision.
    case f16 = "F16"
    /// The upper half of an `f32`.
    case bf16 = "BF16"
    /// Signed 32-bit integer.
    case i32 = "I32"
    /// Unsigned 32-bit integer.
    case u32 = "U32"
    /// IEEE 754 single precision.
    case f32 = "F32"
    /// Two `f32`.
    case c64 = "C64"
    /// IEEE 754 double precision.
    case f64 = "F64"
    /// Signed 64-bit integer.
    case i64 = "I64"
    /// Unsigned 64-bit integer.
    case u64 = "U64"

    /// How files name `dtype`.
    public init(_ dtype: DType) {
        switch dtype {
        case .f64: self = .f64
        case .f32: self = .f32
        case .bf16: self = .bf16
        case .f16: self = .f16
        case .i64: self = .i64
        case .i32: self = .i32
        case .i16: self = .i16
        case .i8: self = .i8
        case .u8: self = .u8
        case .bool: self = .bool
        }
    }

    /// The engine's type for it; nil when it can be listed but not loaded.
    public var dtype: DType? {
        switch self {
        case .f64: .f64
        case .f32: .f32
        case .bf16: .bf16
        case .f16: .f16
        case .i64: .i64
        case .i32: .i32
        case .i16: .i16
        case .i8: .i8
        case .u8: .u8
        case .bool: .bool
        case .f4, .f6e2m3, .f6e3m2, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz, .u16, .u32, .u64, .c64: nil
        }
    }

    /// Bits of one element.
    public var bitCount: Int {
        switch self {
        case .f4: 4
        case .f6e2m3, .f6e3m2: 6
        case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
        case .i16, .u16, .f16, .bf16: 16
        case .i32, .u32, .f32: 32
        case .c64, .f64, .i64, .u64: 64
        }
    }

    /// Bytes of a tensor of `shape`; nil when they cannot be counted or do not fill whole bytes.
    ///
    /// Zero sizes do not hide an overflow of the others: every partial product of an accepted shape is representable.
    package func byteCount(of shape: [Int]) -> Int? {
        var bits = bitCount
        var isEmpty = false
        for size in shape where size >= 0 {
            isEmpty = isEmpty || size == 0
            let (product, overflow) = bits.multipliedReportingOverflow(by: max(size, 1))
            guard !overflow else { return nil }
            bits = product
        }
        guard shape.allSatisfy({ $0 >= 0 }) else { return nil }
        if isEmpty { return 0 }
        return bits % 8 == 0 ? bits / 8 : nil
    }
}
