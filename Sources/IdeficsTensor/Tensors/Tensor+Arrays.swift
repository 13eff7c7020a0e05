// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension Tensor {
    /// An `f32` tensor with the elements of `values`.
    public init(_ values: [Float], shape: [Int]) {
        self.init(copying: values, shape: shape, dtype: .f32)
    }

    /// An `i64` tensor with the elements of `values`.
    public init(_ values: [Int], shape: [Int]) {
        self.init(copying: values.map(Int64.init), shape: shape, dtype: .i64)
    }

    private init<Element: BitwiseCopyable>(copying values: [Element], shape: [Int], dtype: DType) {
        precondition(values.count == shape.reduce(1, *), "Tensor: \(values.count) values for shape \(shape)")
        self.init(uninitialized: shape, dtype: dtype) { pointer in
            values.withUnsafeBytes { bytes in
                if let source = bytes.baseAddress { pointer.copyMemory(from: source, byteCount: bytes.count) }
            }
        }
    }

    /// An `f32` tensor of zeros.
    public static func zeros(_ shape: [Int], on device: Device = .cpu) -> Tensor {
        let zeros = Tensor(uninitialized: shape) { pointer in
            pointer.initializeMemory(as: UInt8.self, repeating: 0, count: shape.reduce(4, *))
        }
        return zeros.to(device)
    }

    /// The elements as floats, whatever the dtype (integers beyond 2^24 are rounded).
    ///
    /// - Precondition: they lie in main memory.
    public func floatArray() -> [Float] {
        if dtype.isWeight { return cast(self).withFloats(Array.init) }
        return withUnsafeBytes { bytes in
            switch dtype {
            case .f64: bytes.bindMemory(to: Double.self).map(Float.init)
            case .i64: bytes.bindMemory(to: Int64.self).map(Float.init)
            case .i32: bytes.bindMemory(to: Int32.self).map(Float.init)
            case .i16: bytes.bindMemory(to: Int16.self).map(Float.init)
            case .i8: bytes.bindMemory(to: Int8.self).map(Float.init)
            case .u8, .bool: bytes.map(Float.init)
            case .f32, .bf16, .f16: []
            }
        }
    }

    /// The elements as integers; nil when the dtype is not an integer type.
    ///
    /// - Precondition: they lie in main memory.
    public func intArray() -> [Int]? {
        withUnsafeBytes { bytes in
            switch dtype {
            case .i64: bytes.bindMemory(to: Int64.self).map(Int.init)
            case .i32: bytes.bindMemory(to: Int32.self).map(Int.init)
            case .i16: bytes.bindMemory(to: Int16.self).map(Int.init)
            case .i8: bytes.bindMemory(to: Int8.self).map(Int.init)
            case .u8, .bool: bytes.map(Int.init)
            case .f64, .f32, .bf16, .f16: nil
            }
        }
    }
}
