// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A value in a pickled state dict.
///
/// Containers live in arrays of the interpreter and values point to them by index, so a pickle that contains itself or
/// nests a million deep costs neither a reference cycle nor a recursion.
enum PickleValue {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    case tuple(Int)
    case list(Int)
    case dict(Int)
    case global(PickleGlobal)
    case storage(PickledStorage)
    case tensor(Int)

    /// What it is, for errors.
    var kind: String {
        switch self {
        case .none: "None"
        case .bool: "a bool"
        case .int: "an int"
        case .float: "a float"
        case .string: "a string"
        case .tuple: "a tuple"
        case .list: "a list"
        case .dict: "a dict"
        case .global: "a function or type"
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }
}

/// A stretch of bytes outside the pickle that tensors are views of: the zip member `data/<key>`.
struct PickledStorage {
    let key: String
    /// Element type of its tensors, nil when they say it themselves.
    let dtype: StoredDType?
    /// How many elements it holds, or bytes when it has no element type.
    let count: Int
}

/// A tensor as the pickle describes it; nothing in it has been checked against the storage.
struct PickledTensor {
    let storage: PickledStorage
    let dtype: StoredDType
    /// Index of the first element in the storage.
    let offset: Int
    let shape: [Int]
    /// Elements from one index of each axis to the next.
    let strides: [Int]
}
