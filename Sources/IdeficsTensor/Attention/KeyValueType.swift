// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

/// How the keys and values of attention are stored; the kernels widen them to f32 as they read.
public enum KeyValueType: String, Sendable, CaseIterable {
    /// As they are computed.
    case f32
    /// Rounded to bf16: half the memory.
    case bf16
    /// 8 bits with one f32 scale for each token and head: about a quarter of the memory.
    case int8

    /// Bytes of one token's keys (or values) in one layer.
    public func rowByteCount(kvHeads: Int, headDim: Int) -> Int {
        Int(idf_kv_row_bytes(kernelType, Int64(kvHeads), Int64(headDim)))
    }

    /// Its name for the kernels.
    var kernelType: idf_dtype {
        switch self {
        case .f32: IDF_F32
        case .bf16: IDF_BF16
        case .int8: IDF_INT8
        }
    }
}
