// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsPages
import Foundation
import Synchronization

/// Weights of a mapped checkpoint that do not all fit in memory: some stay, the others are read for every pass.
///
/// Left alone, a system drops the pages used longest ago, which in a pass over all layers are those needed next: it
/// would read everything, late and in small parts. Here one thread reads weights ahead of the products that use them,
/// in large parts; those that do not stay are dropped after use. Products find the stream by the file their weight lies
/// in and wait for it. The order of use is learned: after a weight comes what came after it last time. Only when
/// something is in memory changes, never a number.
public final class WeightStream: Sendable {
    /// One matrix.
    public struct Unit: Sendable {
        /// The matrix; what of it is not mapped is in memory anyway.
        public let weight: Weight
        /// Whether it stays once it was read.
        public let isResident: Bool

        /// A matrix that stays or does not.
        public init(_ weight: Weight, isResident: Bool) {
            self.weight = weight
            self.isResident = isResident
        }
    }

    /// What has happened so far.
    public struct Statistics: Sendable, Equatable {
        /// Bytes read.
        public internal(set) var readByteCount = 0
        /// Bytes dropped.
        public internal(set) var droppedByteCount = 0
        /// Bytes of weights that do not stay which were in memory at once, at most.
        public internal(set) var largestWindow = 0
        /// How often a product waited for a weight.
        public internal(set) var waitCount = 0
        /// Bytes that were to stay and do no more, because memory became short.
        public internal(set) var demotedByteCount = 0
    }

    private let reader: WeightReader
    /// Streams of this process; while there is none, products need not look for theirs.
    private static let liveCount = Atomic<Int>(0)

    /// Starts the thread that reads.
    ///
    /// - Parameters:
    ///   - units: in the order they are first used.
    ///   - first: the unit that is first used again when the last has been used.
    ///   - windowByteCount: bytes of units that do not stay which are in memory at once; more only when one product
    ///     needs more.
    ///   - shortage: told now and then how many bytes are to stay, says how many of them are too many; those are let go.
    ///   - bytesBetweenChecks: how many bytes are read between two such questions.
    public init(
        _ units: [Unit],
        first: Int = 0,
        windowByteCount: Int,
        shortage: @escaping @Sendable (_ residentByteCount: Int) -> Int = { _ in 0 },
        bytesBetweenChecks: Int = 256 << 20
    ) {
        reader = WeightReader(
            units,
            first: first,
            window: windowByteCount,
            shortage: shortage,
            bytesBetweenChecks: bytesBetweenChecks
        )
        Self.liveCount.add(1, ordering: .relaxed)
        for file in reader.files {
            file.stream = self
            idf_pages_read_on(file.descriptor)
        }
        let thread = Thread { [reader] in reader.run() }
        thread.name = "idefics.weights"
        thread.start()
    }

    deinit {
        reader.close()
        Self.liveCount.subtract(1, ordering: .relaxed)
    }

    /// What has happened so far.
    public var statistics: Statistics { reader.statistics }

    /// Calls `body` while the weights of `products` are in memory.
    static func holding(_ products: [LinearProduct], _ body: () -> Void) {
        guard liveCount.load(ordering: .relaxed) > 0,
            let stream = products.lazy.compactMap({ $0.weight.mappedFile?.stream }).first
        else { return body() }
        let units = stream.reader.units(of: products)
        stream.reader.acquire(units)
        body()
        stream.reader.release(units)
    }

    /// Bytes a second that come from the storage of `weight`, measured by reading a part of it anew.
    ///
    /// - Returns: nil when nothing of it is mapped, or when its pages cannot be dropped because others use them.
    public static func readRate(of weight: Weight) -> Double? {
        guard let whole = weight.mappedParts.max(by: { $0.byteCount < $1.byteCount }), whole.byteCount > 0 else {
            return nil
        }
        idf_pages_read_on(whole.file.descriptor)
        let part = whole.middle(64 << 20)
        part.drop()
        guard part.residentByteCount < part.byteCount / 8 else { return nil }
        let clock = ContinuousClock()
        let start = clock.now
        var done = 0
        part.read { end in
            done = end
            return clock.now - start < .milliseconds(300)
        }
        let seconds = (clock.now - start) / .seconds(1)
        part.drop()
        return Double(done) / max(seconds, 1e-6)
    }

    /// Says that rows of `table` are read here and there, so that nothing is read around them.
    public static func readsSingleRows(of table: Weight) {
        for part in table.mappedParts { part.scatter() }
    }
}

// MARK: - Mapped parts of a weight

/// A piece of memory that maps a piece of a file.
struct MappedPart: @unchecked Sendable {
    // SAFETY: the memory is read-only and lives as long as the storage, which is kept here.
    private let pointer: UnsafeRawPointer
    let byteCount: Int
    let file: MappedFile
    private let fileOffset: Int

    /// nil when `tensor` lies in no mapped file.
    init?(_ tensor: Tensor) {
        guard let file = tensor.storage.mappedFile else { return nil }
        pointer = tensor.bytes
        byteCount = tensor.byteCount
        self.file = file
        fileOffset = file.offset(of: tensor.bytes)
    }

    private init(_ whole: MappedPart, _ range: Range<Int>) {
        pointer = whole.pointer + range.lowerBound
        byteCount = range.count
        file = whole.file
        fileOffset = whole.fileOffset + range.lowerBound
    }

    /// `count` bytes of its middle, or all if it has no more.
    func middle(_ count: Int) -> MappedPart {
        let length = min(count, byteCount)
        let start = (byteCount - length) / 2
        return MappedPart(self, start..<start + length)
    }

    /// Bytes read in one go.
    private static let chunk = 8 << 20

    /// Brings it into memory, in order, until `goesOn`, which is told how much is there, returns false.
    func read(_ goesOn: (Int) -> Bool = { _ in true }) {
        for start in stride(from: 0, to: byteCount, by: Self.chunk) {
            let end = min(start + Self.chunk, byteCount)
            idf_pages_read(pointer + start, end - start)
            if !goesOn(end) { return }
        }
    }

    func drop() { idf_pages_drop(pointer, byteCount, file.descriptor, Int64(fileOffset)) }
    func scatter() { idf_pages_scatter(pointer, byteCount) }
    var residentByteCount: Int { idf_pages_resident(pointer, byteCount) }
}

extension Weight {
    private var tensors: [Tensor] {
        switch self {
        case .dense(let tensor): [tensor]
        case .quantized(let tensor, _): [tensor.codes, tensor.scales]
        }
    }

    /// What of it lies in mapped files.
    var mappedParts: [MappedPart] { tensors.compactMap(MappedPart.init) }

    /// The file its elements or codes are mapped from.
    var mappedFile: MappedFile? { tensors[0].storage.mappedFile }

    /// Bytes of it that lie in mapped files.
    public var mappedByteCount: Int { mappedParts.reduce(0) { $0 + $1.byteCount } }

    /// Where its elements or codes begin.
    var address: UInt { UInt(bitPattern: tensors[0].bytes) }
}
