// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

/// Numbers in 8 bits each, with a scale for every 256 of them: block-wise dynamic quantization (Dettmers et al.,
/// arXiv:2110.02861, section 2).
///
/// Codes stand for the values of bitsandbytes' dynamic maps, which lie close where magnitudes are small, over seven
/// decades. Moments of an optimizer and scales of `nf4` are stored so.
public struct DynamicTensor: Sendable {
    /// Which 256 values codes stand for.
    public enum Map: Sendable, CaseIterable {
        /// −0.993...1.
        case signed
        /// 0...1.
        case unsigned

        var kernelMap: idf_dynamic_map {
            switch self {
            case .signed: IDF_DYNAMIC_SIGNED
            case .unsigned: IDF_DYNAMIC_UNSIGNED
            }
        }

        /// The values, ascending.
        public var table: [Float] {
            Array(UnsafeBufferPointer(start: idf_dynamic_table(kernelMap), count: 256))
        }
    }

    /// Elements that share a scale.
    public static let blockSize = IDF_DYNAMIC_BLOCK

    /// Which values codes stand for.
    public let map: Map
    /// Codes, `u8`, in the shape of the numbers.
    public internal(set) var codes: Tensor
    /// Largest magnitude of each block, `[⌈count / 256⌉]`, f32.
    public internal(set) var scales: Tensor

    /// A tensor of parts that fit each other.
    ///
    /// - Precondition: `codes` are `u8`, `scales` f32, as many as there are blocks.
    public init(map: Map, codes: Tensor, scales: Tensor) {
        precondition(
            codes.dtype == .u8 && scales.dtype == .f32 && scales.count == Self.scaleCount(codes.shape),
            "DynamicTensor: codes \(codes.dtype) \(codes.shape), scales \(scales.dtype) \(scales.shape)"
        )
        (self.map, self.codes, self.scales) = (map, codes, scales)
    }

    /// Zeros.
    public init(zeros shape: [Int], map: Map) {
        let zero = UInt8(map.table.firstIndex(of: 0) ?? 0)
        let count = shape.reduce(1, *)
        self.init(
            map: map,
            codes: Tensor(uninitialized: shape, dtype: .u8) {
                $0.initializeMemory(as: UInt8.self, repeating: zero, count: count)
            },
            scales: Tensor.zeros([Self.scaleCount(shape)])
        )
    }

    /// The numbers of `tensor`, f32, each rounded to the nearest value of its block.
    ///
    /// In the unsigned map only 0 becomes 0.
    ///
    /// - Precondition: `tensor` has no negative elements if `map` is unsigned.
    public init(_ tensor: Tensor, map: Map) {
        self = tensor.quantization.quantize(tensor, map: map)
    }

    /// The same numbers in the memory of `device`.
    public func to(_ device: Device) -> DynamicTensor {
        DynamicTensor(map: map, codes: codes.to(device), scales: scales.to(device))
    }

    /// The numbers, f32.
    public func dequantized() -> Tensor { codes.quantization.dequantize(self) }

    /// Scales of numbers of `shape`.
    public static func scaleCount(_ shape: [Int]) -> Int {
        (shape.reduce(1, *) + blockSize - 1) / blockSize
    }
}
