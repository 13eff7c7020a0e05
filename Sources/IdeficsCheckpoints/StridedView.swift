// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A tensor with strides in a file, all its elements known to lie inside its storage.
struct StridedView {
    let dtype: StoredDType
    let shape: [Int]
    /// Bytes of its elements.
    let byteCount: Int
    /// Elements from one index of each axis to the next.
    private let strides: [Int]
    /// Where its first element lies in the file.
    private let start: Int

    /// Checks `tensor` against its storage, the zip member that lies at `member`.
    ///
    /// - Throws: `CheckpointError` naming `field`.
    init(_ tensor: PickledTensor, in member: Range<Int>?, field: String, file: String) throws {
        func malformed(_ reason: String) -> CheckpointError {
            .malformed(file: file, field: field, reason: reason)
        }
        guard let member else { throw malformed("its storage data/\(tensor.storage.key) is not in the archive") }
        let storageBytes = tensor.storage.count.multipliedReportingOverflow(
            by: (tensor.storage.dtype?.bitCount ?? 8) / 8
        )
        guard !storageBytes.overflow, storageBytes.partialValue == member.count else {
            throw malformed("its storage has \(member.count) bytes, the pickle says \(tensor.storage.count) elements")
        }
        guard tensor.shape.allSatisfy({ $0 >= 0 }), let byteCount = tensor.dtype.byteCount(of: tensor.shape) else {
            throw malformed("the shape \(tensor.shape) has no size that fits 63 bits")
        }
        guard tensor.strides.count == tensor.shape.count, tensor.strides.allSatisfy({ $0 >= 0 }) else {
            throw malformed("strides \(tensor.strides) for the shape \(tensor.shape)")
        }
        let elementSize = tensor.dtype.bitCount / 8
        let capacity = member.count / elementSize
        guard tensor.offset >= 0, tensor.offset <= capacity,
            let last = Self.lastIndex(tensor), byteCount == 0 || last < capacity
        else { throw malformed("it reaches outside its storage of \(capacity) elements") }
        // An expanded tensor (stride 0) may claim any size over a few bytes.
        guard byteCount <= member.count else {
            throw CheckpointError.unsupported(
                file: file,
                field: field,
                reason: "an expanded tensor, larger than its storage; save a contiguous copy"
            )
        }
        dtype = tensor.dtype
        shape = tensor.shape
        strides = tensor.strides
        self.byteCount = byteCount
        start = member.lowerBound + tensor.offset * elementSize
    }

    /// Index of the last element in the storage; nil when it cannot be counted.
    private static func lastIndex(_ tensor: PickledTensor) -> Int? {
        var last = tensor.offset
        for (size, stride) in zip(tensor.shape, tensor.strides) where size > 1 {
            let (distance, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
            guard !overflow else { return nil }
            let (sum, overflowed) = last.addingReportingOverflow(distance)
            guard !overflowed else { return nil }
            last = sum
        }
        return last
    }

    private var elementSize: Int { dtype.bitCount / 8 }

    /// Its bytes in the file when they can be used where they lie: contiguous, row-major, aligned.
    var mappedRange: Range<Int>? {
        guard start % elementSize == 0 else { return nil }
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != 1 && byteCount > 0 {
            guard stride == expected else { return nil }
            expected *= size
        }
        return start..<start + byteCount
    }

    /// Copies the elements out of `file` to `destination`, row-major.
    func gather(from file: UnsafeRawBufferPointer, to destination: UnsafeMutableRawPointer) {
        guard byteCount > 0 else { return }
        let elementSize = elementSize
        let rowLength = shape.last ?? 1
        let rowStride = strides.last ?? 1
        var indices = Array(repeating: 0, count: max(shape.count - 1, 0))
        var output = UnsafeMutableRawBufferPointer(start: destination, count: byteCount)[...]
        while !output.isEmpty {
            let row = zip(indices, strides).reduce(0) { $0 + $1.0 * $1.1 }
            for column in 0..<rowLength {
                let source = start + (row + column * rowStride) * elementSize
                UnsafeMutableRawBufferPointer(rebasing: output.prefix(elementSize))
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: file[source..<source + elementSize]))
                output = output.dropFirst(elementSize)
            }
            // The next row, odometer-wise.
            for axis in indices.indices.reversed() {
                indices[axis] += 1
                if indices[axis] < shape[axis] { break }
                indices[axis] = 0
            }
        }
    }
}
