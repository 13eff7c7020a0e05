// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

/// What this machine can do at best, measured, for comparison with what the operations reach.
public enum EngineLimits {
    /// Bytes a second that all threads together read from main memory.
    ///
    /// - Parameter buffer: memory much larger than the caches; it is read once.
    /// - Returns: bytes a second.
    public static func memoryReadRate(_ buffer: Tensor) -> Double {
        let clock = ContinuousClock()
        var value: UInt64 = 0
        let time = clock.measure {
            buffer.withUnsafeBytes { value = idf_limit_read($0.baseAddress ?? buffer.bytes, $0.count) }
        }
        withExtendedLifetime(value) {}
        return Double(buffer.byteCount) / (time / .seconds(1))
    }

    /// f32 operations a second of all threads together, a fused multiply-add counting two.
    ///
    /// - Parameter iterations: steps for each thread; a million take some 20 ms.
    /// - Returns: operations a second.
    public static func multiplyAddRate(iterations: Int = 2_000_000) -> Double {
        var operations = 0.0
        let time = ContinuousClock().measure { operations = idf_limit_fma(Int64(iterations)) }
        return operations / (time / .seconds(1))
    }

    /// Operations a second on bf16 with f32 sums of all threads together: those of f32 where the machine has none of its own.
    ///
    /// - Parameter iterations: steps for each thread.
    /// - Returns: operations a second.
    public static func bf16Rate(iterations: Int = 2_000_000) -> Double {
        var operations = 0.0
        let time = ContinuousClock().measure { operations = idf_limit_bf16(Int64(iterations)) }
        return operations / (time / .seconds(1))
    }

    /// 8-bit integer operations a second of all threads together, as products of `int4` weights use them; a multiply-add
    /// counts two.
    ///
    /// - Parameter iterations: steps for each thread.
    /// - Returns: operations a second.
    public static func integerRate(iterations: Int = 2_000_000) -> Double {
        var operations = 0.0
        let time = ContinuousClock().measure { operations = idf_limit_int8(Int64(iterations)) }
        return operations / (time / .seconds(1))
    }
}
