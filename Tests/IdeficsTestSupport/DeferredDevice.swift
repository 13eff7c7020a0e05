// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor
import Synchronization

/// A second device, which exists to prove that nothing but a `Device` is assumed anywhere.
///
/// It has a heap of its own, refuses tensors of other devices, and does nothing until something is read back: every
/// operation waits in a queue, as on a GPU. What it does then is done by the CPU's kernels, so its numbers are the CPU's.
public struct DeferredDevice: Sendable {
    /// The device; its memory, like that of all devices made here, belongs to no other.
    public let device: Device
    /// How many operations were done, for tests that ask whether any was.
    public var operationCount: Int { queue.doneCount }

    private let queue: DeferredQueue

    /// A device with nothing on it.
    public init(name: String = "deferred") {
        let queue = DeferredQueue()
        self.queue = queue
        let backend = DeferredBackend(queue: queue)
        device = Device(
            name: name,
            memory: DeferredMemory(queue: queue),
            backend: backend,
            training: backend,
            quantization: backend
        )
        queue.setDevice(device)
    }
}

/// Bytes of the device's heap.
final class DeferredBuffer: @unchecked Sendable {
    // SAFETY: written by operations of the queue alone, one after the other.
    let pointer: UnsafeMutableRawPointer
    let byteCount: Int

    init(byteCount: Int) {
        self.byteCount = byteCount
        pointer = .allocate(byteCount: max(byteCount, 1), alignment: 64)
        // What is read before it is written is to be seen.
        pointer.initializeMemory(as: UInt8.self, repeating: 0xFF, count: max(byteCount, 1))
    }

    deinit { pointer.deallocate() }
}

/// Operations that wait, in order.
final class DeferredQueue: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var doneCount = 0
        var isRunning = false
        // Weak: the device holds the queue.
        weak var device: Device?
    }

    private let state = Mutex(State())

    var doneCount: Int { state.withLock(\.doneCount) }

    var device: Device {
        guard let device = state.withLock(\.device) else { preconditionFailure("a tensor outlived its device") }
        return device
    }

    func setDevice(_ device: Device) { state.withLock { $0.device = device } }

    func enqueue(_ operation: @escaping @Sendable () -> Void) { state.withLock { $0.waiting.append(operation) } }

    /// Does all that waits.
    func flush() {
        while let operations = take() {
            for operation in operations { operation() }
            state.withLock {
                $0.doneCount += operations.count
                $0.isRunning = false
            }
        }
    }

    private func take() -> [@Sendable () -> Void]? {
        state.withLock { state in
            precondition(!state.isRunning, "the device is read back from two threads at once")
            guard !state.waiting.isEmpty else { return nil }
            defer { state.waiting = [] }
            state.isRunning = true
            return state.waiting
        }
    }

    /// The buffer of `storage`, which must be this device's.
    func buffer(_ storage: TensorStorage) -> DeferredBuffer {
        guard storage.device === device, let buffer = storage.buffer as? DeferredBuffer else {
            preconditionFailure("\(device) was given memory of \(storage.device)")
        }
        return buffer
    }
}

private struct DeferredMemory: DeviceMemory {
    let queue: DeferredQueue

    func allocate(byteCount: Int, on device: Device) -> TensorStorage {
        TensorStorage(device: device, byteCount: byteCount, buffer: DeferredBuffer(byteCount: byteCount))
    }

    func upload(_ source: UnsafeRawBufferPointer, to device: Device) -> TensorStorage {
        let buffer = DeferredBuffer(byteCount: source.count)
        if let base = source.baseAddress { buffer.pointer.copyMemory(from: base, byteCount: source.count) }
        return TensorStorage(device: device, byteCount: source.count, buffer: buffer)
    }

    func download(_ storage: TensorStorage, _ range: Range<Int>) -> TensorStorage {
        let buffer = queue.buffer(storage)
        queue.flush()
        let copy = TensorStorage(byteCount: range.count)
        copy.pointer.copyMemory(from: buffer.pointer + range.lowerBound, byteCount: range.count)
        return copy
    }
}

/// Main memory as the CPU's backend sees it during one operation; the same buffer is the same storage throughout.
struct HostViews {
    private let queue: DeferredQueue
    private var storages: [ObjectIdentifier: TensorStorage] = [:]

    init(_ queue: DeferredQueue) { self.queue = queue }

    mutating func callAsFunction(_ place: MemoryPlace) -> MemoryPlace {
        let buffer = queue.buffer(place.storage)
        let known = storages[ObjectIdentifier(buffer)]
        let storage =
            known ?? TensorStorage(borrowing: buffer.pointer, byteCount: buffer.byteCount, owner: buffer)
        storages[ObjectIdentifier(buffer)] = storage
        return MemoryPlace(storage, byteOffset: place.byteOffset)
    }

    mutating func callAsFunction(_ tensor: Tensor) -> Tensor {
        let place = self(tensor.place)
        return Tensor(shape: tensor.shape, dtype: tensor.dtype, storage: place.storage, byteOffset: place.byteOffset)
    }

    mutating func callAsFunction(_ tensor: Tensor?) -> Tensor? { tensor.map { self($0) } }

    mutating func callAsFunction(_ tensor: QuantizedTensor) -> QuantizedTensor {
        QuantizedTensor(
            format: tensor.format,
            shape: tensor.shape,
            codes: self(tensor.codes),
            scales: self(tensor.scales)
        )
    }

    mutating func callAsFunction(_ weight: Weight) -> Weight {
        switch weight {
        case .dense(let tensor): .dense(self(tensor))
        case .quantized(let tensor, let isExact): .quantized(self(tensor), isExact: isExact)
        }
    }

    mutating func callAsFunction(_ product: LinearProduct) -> LinearProduct {
        LinearProduct(
            self(product.weight),
            bias: self(product.bias),
            activation: product.activation,
            scale: self(product.scale),
            residual: self(product.residual)
        )
    }

    mutating func callAsFunction(_ segment: AttentionSegment) -> AttentionSegment {
        var pages = KeyValuePages(pageTokens: segment.pages.pageTokens, type: segment.pages.type)
        for (k, v) in zip(segment.pages.k, segment.pages.v) { pages.append(k: self(k), v: self(v)) }
        return AttentionSegment(
            queries: segment.queries,
            pages: pages,
            keyCount: segment.keyCount,
            causalPast: segment.causalPast
        )
    }
}

/// The CPU's operations, later.
struct DeferredBackend: Sendable {
    let queue: DeferredQueue
    let cpu = CPUBackend()

    /// Fresh tensors of the device that `body` gives the values of, when it is asked for them.
    ///
    /// Everything in `inputs` is checked to be of this device at once, as a real device would have to.
    func deferred(
        _ outputs: [(shape: [Int], dtype: DType)],
        reading inputs: [Tensor?],
        _ body: @escaping @Sendable (CPUBackend, inout HostViews) -> [Tensor]
    ) -> [Tensor] {
        for case let input? in inputs { _ = queue.buffer(input.storage) }
        let device = queue.device
        let results = outputs.map { shape, dtype in
            Tensor(
                shape: shape,
                dtype: dtype,
                storage: device.memory.allocate(byteCount: shape.reduce(dtype.byteCount, *), on: device)
            )
        }
        let buffers = results.map { queue.buffer($0.storage) }
        queue.enqueue { [cpu, queue] in
            var views = HostViews(queue)
            let values = body(cpu, &views)
            precondition(values.count == buffers.count, "an operation has \(values.count) results")
            for (value, buffer) in zip(values, buffers) {
                precondition(value.byteCount == buffer.byteCount, "a result of another size: \(value.shape)")
                value.withUnsafeBytes { bytes in
                    if let base = bytes.baseAddress { buffer.pointer.copyMemory(from: base, byteCount: bytes.count) }
                }
            }
        }
        return results
    }

    /// One fresh tensor.
    func deferred(
        _ shape: [Int],
        _ dtype: DType = .f32,
        reading inputs: [Tensor?],
        _ body: @escaping @Sendable (CPUBackend, inout HostViews) -> Tensor
    ) -> Tensor {
        deferred([(shape, dtype)], reading: inputs) { [body($0, &$1)] }[0]
    }

    /// A copy that may be written to, of a view.
    static func copy(_ view: Tensor) -> Tensor {
        Tensor(uninitialized: view.shape, dtype: view.dtype) { target in
            view.withUnsafeBytes { if let base = $0.baseAddress { target.copyMemory(from: base, byteCount: $0.count) } }
        }
    }
}

extension Weight {
    /// What it is made of.
    var tensors: [Tensor] {
        switch self {
        case .dense(let tensor): [tensor]
        case .quantized(let tensor, _): [tensor.codes, tensor.scales]
        }
    }
}
