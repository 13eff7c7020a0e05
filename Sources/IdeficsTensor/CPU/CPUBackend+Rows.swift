// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

// Operations that move rows or change how they are stored.
extension CPUBackend {
    package func embedding(_ table: Weight, ids: [Int32]) -> Tensor {
        precondition(
            table.shape.count == 2 && ids.allSatisfy { $0 >= 0 && $0 < table.shape[0] },
            "embedding: an id is outside of the table \(table.shape)"
        )
        return Tensor(uninitialized: [ids.count, table.shape[1]]) { y in
            withExtendedLifetime(table) {
                let (rows, features) = (Int64(ids.count), Int64(table.shape[1]))
                let weight = table.kernelWeight
                if let scales = weight.scales {
                    idf_embedding_quantized(y.floats, weight.bytes, scales, weight.dtype, ids, rows, features)
                } else {
                    idf_embedding(y.floats, weight.bytes, weight.dtype, ids, rows, features)
                }
            }
        }
    }

    package func cast(_ x: Tensor, to dtype: DType) -> Tensor {
        guard x.dtype != dtype else { return x }
        return Tensor(uninitialized: x.shape, dtype: dtype) { y in
            withExtendedLifetime(x) {
                if dtype == .f32 {
                    idf_to_f32(y.floats, x.bytes, x.dtype.kernelType, Int64(x.count))
                } else {
                    idf_from_f32(y, x.floats, dtype.kernelType, Int64(x.count))
                }
            }
        }
    }

    package func patchify(_ images: Tensor, patchSize: Int) -> Tensor {
        precondition(images.shape.count == 4 && patchSize > 0, "patchify: images \(images.shape), patch \(patchSize)")
        let (count, channels, height, width) = (images.shape[0], images.shape[1], images.shape[2], images.shape[3])
        let patches = count * (height / patchSize) * (width / patchSize)
        return Tensor(uninitialized: [patches, channels * patchSize * patchSize]) { y in
            withExtendedLifetime(images) {
                idf_patchify(
                    y.floats,
                    images.floats,
                    Int64(count),
                    Int64(channels),
                    Int64(height),
                    Int64(width),
                    Int64(patchSize)
                )
            }
        }
    }

    package func concatenate(_ parts: [Tensor]) -> Tensor {
        if parts.count == 1 { return parts[0] }
        let tail = parts[0].shape.dropFirst()
        precondition(
            parts.allSatisfy { $0.shape.dropFirst() == tail && $0.dtype == parts[0].dtype },
            "concatenate: rows of different shapes \(parts.map(\.shape))"
        )
        let rows = parts.reduce(0) { $0 + $1.shape[0] }
        return Tensor(uninitialized: [rows] + tail, dtype: parts[0].dtype) { y in
            var offset = 0
            for part in parts {
                withExtendedLifetime(part) { (y + offset).copyMemory(from: part.bytes, byteCount: part.byteCount) }
                offset += part.byteCount
            }
        }
    }

    package func concatenateColumns(_ parts: [Tensor]) -> Tensor {
        if parts.count == 1 { return parts[0] }
        let rows = parts[0].shape[0]
        precondition(
            parts.allSatisfy { $0.shape.count == 2 && $0.shape[0] == rows && $0.dtype == .f32 },
            "concatenateColumns: shapes \(parts.map(\.shape))"
        )
        let columns = parts.reduce(0) { $0 + $1.shape[1] }
        return Tensor(uninitialized: [rows, columns]) { y in
            var column = 0
            for part in parts {
                let width = part.shape[1]
                withExtendedLifetime(part) {
                    for row in 0..<rows {
                        (y + (row * columns + column) * 4)
                            .copyMemory(from: part.bytes + row * width * 4, byteCount: width * 4)
                    }
                }
                column += width
            }
        }
    }

    package func gatherRows(_ x: Tensor, _ indices: [Int]) -> Tensor {
        precondition(indices.allSatisfy { $0 >= 0 && $0 < x.shape[0] }, "gatherRows: an index is outside of \(x.shape)")
        let rowBytes = x.shape.dropFirst().reduce(x.dtype.byteCount, *)
        return Tensor(uninitialized: [indices.count] + x.shape.dropFirst(), dtype: x.dtype) { y in
            withExtendedLifetime(x) {
                for (row, index) in indices.enumerated() {
                    (y + row * rowBytes).copyMemory(from: x.bytes + index * rowBytes, byteCount: rowBytes)
                }
            }
        }
    }
}

// MARK: - Names of the kernels

extension UnsafeMutableRawPointer {
    var floats: UnsafeMutablePointer<Float> { assumingMemoryBound(to: Float.self) }
}

extension Weight {
    /// The weight as the kernels take it; valid while the weight lives.
    var kernelWeight: (bytes: UnsafeRawPointer, dtype: idf_dtype, scales: UnsafeRawPointer?, isExact: Bool) {
        switch self {
        case .dense(let tensor): (tensor.bytes, tensor.dtype.kernelType, nil, false)
        case .quantized(let tensor, let isExact):
            (tensor.codes.bytes, tensor.format.kernelType, tensor.scales.bytes, isExact)
        }
    }
}

extension DType {
    var kernelType: idf_dtype {
        switch self {
        case .f32: IDF_F32
        case .bf16: IDF_BF16
        case .f16: IDF_F16
        case .f64, .i64, .i32, .i16, .i8, .u8, .bool:
            preconditionFailure("\(self) is not a weight format of the kernels")
        }
    }
}

extension Activation {
    var kernelActivation: idf_activation {
        switch self {
        case .none: IDF_ACT_NONE
        case .relu: IDF_ACT_RELU
        case .gelu: IDF_ACT_GELU
        case .silu: IDF_ACT_SILU
        case .quickGelu: IDF_ACT_QUICK_GELU
        }
    }
}
