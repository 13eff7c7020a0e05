// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A processor and its memory: where tensors lie, and what computes with them.
///
/// A tensor asks its storage for its device, and an operation runs on the device of its input. Nothing moves by itself:
/// `Tensor.to(_:)` copies to a device, `Tensor.toHost()` back. Operations of a device take tensors of that device only.
public final class Device: Sendable, CustomStringConvertible {
    /// Its name, for messages and options: `cpu`.
    public let name: String
    /// Its memory.
    package let memory: any DeviceMemory
    /// What it does in inference.
    public let backend: any Backend
    /// What it does in training; nil for a device that only runs models.
    public let training: (any TrainingBackend)?
    /// What it does to weights that are stored in few bits; nil where that is left to the CPU.
    public let quantization: (any QuantizationBackend)?

    /// A device.
    ///
    /// - Parameters:
    ///   - name: for messages.
    ///   - memory: where its tensors lie.
    ///   - backend: its operations.
    ///   - training: their gradients, and what optimizers need; nil for inference alone.
    ///   - quantization: quantizing, dequantizing and calibration; nil if it has none.
    public init(
        name: String,
        memory: any DeviceMemory,
        backend: any Backend,
        training: (any TrainingBackend)? = nil,
        quantization: (any QuantizationBackend)? = nil
    ) {
        self.name = name
        self.memory = memory
        self.backend = backend
        self.training = training
        self.quantization = quantization
    }

    /// The processor this program runs on, with main memory.
    public static let cpu = Device(
        name: "cpu",
        memory: HostMemory(),
        backend: CPUBackend(),
        training: CPUBackend(),
        quantization: CPUBackend()
    )

    /// The name.
    public var description: String { name }
}

/// The memory of a device.
public protocol DeviceMemory: Sendable {
    /// Fresh bytes of `device`, not initialized.
    func allocate(byteCount: Int, on device: Device) -> TensorStorage

    /// Bytes of `device` that are those of `source`, which lies in main memory.
    func upload(_ source: UnsafeRawBufferPointer, to device: Device) -> TensorStorage

    /// The bytes `range` of `storage` in main memory, when all operations before this call are done.
    func download(_ storage: TensorStorage, _ range: Range<Int>) -> TensorStorage
}

/// Main memory.
struct HostMemory: DeviceMemory {
    func allocate(byteCount: Int, on device: Device) -> TensorStorage { TensorStorage(byteCount: byteCount) }

    func upload(_ source: UnsafeRawBufferPointer, to device: Device) -> TensorStorage { TensorStorage(copying: source) }

    func download(_ storage: TensorStorage, _ range: Range<Int>) -> TensorStorage {
        TensorStorage(borrowing: storage.pointer + range.lowerBound, byteCount: range.count, owner: storage)
    }
}
