// Run a model on a device of your own: swift run CustomBackend MODEL IMAGE
//
// A device is memory and operations. This one's operations are the CPU's with a stopwatch around each, and its memory
// belongs to it alone: what runs on it is never touched by another. A GPU plugs in at the same place. It runs models
// only; a device that trains also conforms to `TrainingBackend`.

import Foundation
import Idefics
import IdeficsTensor
import Synchronization

/// Main memory that only the device's own operations touch: its storage hides the CPU's.
struct ProfilingMemory: DeviceMemory {
    func allocate(byteCount: Int, on device: Device) -> TensorStorage {
        TensorStorage(device: device, byteCount: byteCount, buffer: TensorStorage(byteCount: byteCount))
    }

    func upload(_ source: UnsafeRawBufferPointer, to device: Device) -> TensorStorage {
        TensorStorage(device: device, byteCount: source.count, buffer: TensorStorage(copying: source))
    }

    func download(_ storage: TensorStorage, _ range: Range<Int>) -> TensorStorage {
        let bytes = Tensor(shape: [range.count], dtype: .u8, storage: storage, byteOffset: range.lowerBound)
        return host(bytes).withUnsafeBytes { TensorStorage(copying: $0) }
    }
}

/// The CPU's operations, timed.
final class ProfilingBackend: Backend {
    private let cpu = Device.cpu.backend
    private let times = Mutex<[String: (calls: Int, time: Duration)]>([:])

    /// Calls and time of each operation, the longest first.
    var profile: [(name: String, calls: Int, time: Duration)] {
        times.withLock { times in
            times.map { ($0.key, $0.value.calls, $0.value.time) }.sorted { $0.time > $1.time }
        }
    }

    private func timed<Result>(_ name: String, _ body: (any Backend) -> Result) -> Result {
        let start = ContinuousClock.now
        let result = body(cpu)
        times.withLock {
            let before = $0[name] ?? (0, .zero)
            $0[name] = (before.calls + 1, before.time + (ContinuousClock.now - start))
        }
        return result
    }

    func linear(_ x: Tensor, _ products: [LinearProduct], precision: Precision) -> [Tensor] {
        timed("linear") { $0.linear(host(x), products.map(host), precision: precision) }.map { device($0, of: x) }
    }

    func attention(
        _ q: Tensor,
        _ segments: [AttentionSegment],
        heads: Int,
        kvHeads: Int,
        scale: Float,
        dropout: AttentionDropout?
    ) -> Tensor {
        let result = timed("attention") {
            $0.attention(
                host(q),
                segments.map(host),
                heads: heads,
                kvHeads: kvHeads,
                scale: scale,
                dropout: dropout
            )
        }
        return device(result, of: q)
    }

    func writeKeyValueRows(_ x: Tensor, to place: MemoryPlace, type: KeyValueType, kvHeads: Int) {
        timed("writeKeyValueRows") { $0.writeKeyValueRows(host(x), to: host(place), type: type, kvHeads: kvHeads) }
    }

    func copyBytes(from source: MemoryPlace, to target: MemoryPlace, byteCount: Int) {
        timed("copyBytes") { $0.copyBytes(from: host(source), to: host(target), byteCount: byteCount) }
    }

    func rmsNorm(_ x: Tensor, weight: Tensor, eps: Float) -> Tensor {
        device(timed("rmsNorm") { $0.rmsNorm(host(x), weight: host(weight), eps: eps) }, of: x)
    }

    func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor?, eps: Float) -> Tensor {
        let result = timed("layerNorm") { $0.layerNorm(host(x), weight: host(weight), bias: bias.map(host), eps: eps) }
        return device(result, of: x)
    }

    func rope(_ x: Tensor, positions: [Int32], inverseFrequencies: Tensor, heads: Int) -> Tensor {
        let result = timed("rope") {
            $0.rope(host(x), positions: positions, inverseFrequencies: host(inverseFrequencies), heads: heads)
        }
        return device(result, of: x)
    }

    func swiglu(gate: Tensor, up: Tensor) -> Tensor {
        device(timed("swiglu") { $0.swiglu(gate: host(gate), up: host(up)) }, of: gate)
    }

    func tanh(_ x: Tensor) -> Tensor { device(timed("tanh") { $0.tanh(host(x)) }, of: x) }

    func add(_ a: Tensor, _ b: Tensor) -> Tensor { device(timed("add") { $0.add(host(a), host(b)) }, of: a) }

    func embedding(_ table: Weight, ids: [Int32]) -> Tensor {
        let result = timed("embedding") { $0.embedding(host(table), ids: ids) }
        switch table {
        case .dense(let weight): return device(result, of: weight)
        case .quantized(let weight, _): return device(result, of: weight.codes)
        }
    }

    func cast(_ x: Tensor, to dtype: DType) -> Tensor {
        x.dtype == dtype ? x : device(timed("cast") { $0.cast(host(x), to: dtype) }, of: x)
    }

    func patchify(_ images: Tensor, patchSize: Int) -> Tensor {
        device(timed("patchify") { $0.patchify(host(images), patchSize: patchSize) }, of: images)
    }

    func concatenate(_ parts: [Tensor]) -> Tensor {
        device(timed("concatenate") { $0.concatenate(parts.map(host)) }, of: parts[0])
    }

    func concatenateColumns(_ parts: [Tensor]) -> Tensor {
        device(timed("concatenateColumns") { $0.concatenateColumns(parts.map(host)) }, of: parts[0])
    }

    func gatherRows(_ x: Tensor, _ indices: [Int]) -> Tensor {
        device(timed("gatherRows") { $0.gatherRows(host(x), indices) }, of: x)
    }
}

// MARK: - What lies on the device as the CPU sees it, and back

private func host(_ place: MemoryPlace) -> MemoryPlace {
    guard let storage = place.storage.buffer as? TensorStorage else {
        preconditionFailure("memory of \(place.storage.device)")
    }
    return MemoryPlace(storage, byteOffset: place.byteOffset)
}

private func host(_ tensor: Tensor) -> Tensor {
    let place = host(tensor.place)
    return Tensor(shape: tensor.shape, dtype: tensor.dtype, storage: place.storage, byteOffset: place.byteOffset)
}

private func host(_ weight: Weight) -> Weight {
    switch weight {
    case .dense(let tensor):
        .dense(host(tensor))
    case .quantized(let tensor, let isExact):
        .quantized(
            QuantizedTensor(
                format: tensor.format,
                shape: tensor.shape,
                codes: host(tensor.codes),
                scales: host(tensor.scales)
            ),
            isExact: isExact
        )
    }
}

private func host(_ product: LinearProduct) -> LinearProduct {
    LinearProduct(
        host(product.weight),
        bias: product.bias.map(host),
        activation: product.activation,
        scale: product.scale.map(host),
        residual: product.residual.map(host)
    )
}

private func host(_ segment: AttentionSegment) -> AttentionSegment {
    var pages = KeyValuePages(pageTokens: segment.pages.pageTokens, type: segment.pages.type)
    for (k, v) in zip(segment.pages.k, segment.pages.v) { pages.append(k: host(k), v: host(v)) }
    return AttentionSegment(
        queries: segment.queries,
        pages: pages,
        keyCount: segment.keyCount,
        causalPast: segment.causalPast
    )
}

/// A result of the CPU's as a tensor of the device that `input` lies on.
private func device(_ result: Tensor, of input: Tensor) -> Tensor {
    let storage = result.place.storage
    return Tensor(
        shape: result.shape,
        dtype: result.dtype,
        storage: TensorStorage(device: input.device, byteCount: storage.byteCount, buffer: storage),
        byteOffset: result.place.byteOffset
    )
}

// MARK: - A model on it

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    print("usage: CustomBackend MODEL IMAGE")
    exit(64)
}

let backend = ProfilingBackend()
let profiled = Device(name: "profiled", memory: ProfilingMemory(), backend: backend)
let model = try ModelContainer(directory: await modelDirectory(of: arguments[1]), device: profiled)
let chat = ChatSession(model)
chat.config.maxNewTokens = 32
let image = ImageSource.file(URL(filePath: arguments[2]))
print(try await chat.respond(to: "What is in this image?", images: [image]))
for (name, calls, time) in backend.profile { print("\(name): \(calls) calls, \(time)") }
