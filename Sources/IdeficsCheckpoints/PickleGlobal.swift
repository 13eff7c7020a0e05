// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The Python objects a pickled state dict may name; nothing else is ever accepted.
///
/// Each stands for itself: the interpreter knows what it means in a state dict and calls nothing.
enum PickleGlobal {
    /// `collections.OrderedDict`
    case orderedDict
    /// `torch._utils._rebuild_tensor_v2`
    case rebuildTensorV2
    /// `torch._utils._rebuild_tensor_v3`
    case rebuildTensorV3
    /// `torch._utils._rebuild_parameter`
    case rebuildParameter
    /// `torch.FloatStorage` and its like.
    case typedStorage(StoredDType)
    /// `torch.storage.UntypedStorage`, whose tensors carry their element type.
    case untypedStorage
    /// `torch.float32` and its like.
    case dtype(StoredDType)

    /// The object `name` of `module`; nil for everything that is not in the list.
    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDict
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensorV2
        case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTensorV3
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"): self = .untypedStorage
        case ("torch", _):
            if let dtype = Self.storages[name] {
                self = .typedStorage(dtype)
            } else if let dtype = Self.dtypes[name] {
                self = .dtype(dtype)
            } else {
                return nil
            }
        default: return nil
        }
    }

    private static let storages: [String: StoredDType] = [
        "DoubleStorage": .f64, "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16,
        "LongStorage": .i64, "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8,
        "BoolStorage": .bool, "ComplexFloatStorage": .c64,
    ]

    private static let dtypes: [String: StoredDType] = [
        "float64": .f64, "float32": .f32, "float16": .f16, "bfloat16": .bf16, "int64": .i64, "int32": .i32,
        "int16": .i16, "int8": .i8, "uint8": .u8, "bool": .bool, "complex64": .c64, "uint16": .u16, "uint32": .u32,
        "uint64": .u64, "float8_e5m2": .f8e5m2, "float8_e4m3fn": .f8e4m3, "float8_e8m0fnu": .f8e8m0,
        "float8_e4m3fnuz": .f8e4m3fnuz, "float8_e5m2fnuz": .f8e5m2fnuz,
    ]
}
