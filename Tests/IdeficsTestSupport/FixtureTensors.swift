// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsTensor

/// The tensors of a safetensors fixture as arrays; nil for a name that is not there or a tensor of another type.
public struct FixtureTensors: Sendable {
    private let file: SafetensorsFile

    /// The file at `path` below `Tests/Fixtures`.
    public init(_ path: String) throws {
        file = try SafetensorsFile(Fixtures.url(path))
    }

    /// Sizes of the axes.
    public func shape(_ name: String) -> [Int]? {
        file.metadata(named: name)?.shape
    }

    /// Elements of an `f32` tensor.
    public func floats(_ name: String) -> [Float]? {
        tensor(name, .f32)?.floatArray()
    }

    /// Elements of an `i64` tensor.
    public func integers(_ name: String) -> [Int]? {
        tensor(name, .i64)?.intArray()
    }

    /// Bytes of a `u8` tensor.
    public func bytes(_ name: String) -> [UInt8]? {
        tensor(name, .u8)?.withUnsafeBytes { Array($0) }
    }

    private func tensor(_ name: String, _ dtype: DType) -> Tensor? {
        guard let tensor = try? file.tensor(named: name), tensor.dtype == dtype else { return nil }
        return tensor
    }
}
