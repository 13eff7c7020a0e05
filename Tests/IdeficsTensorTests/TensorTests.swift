// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor
import Testing

@Suite struct TensorTests {
    @Test func viewsShareTheirBytes() {
        let tensor = Tensor([Float](stride(from: 0, to: 24, by: 1)), shape: [4, 3, 2])
        #expect(tensor.count == 24)
        #expect(tensor[1..<3].shape == [2, 3, 2])
        #expect(tensor[1..<3].floatArray() == (6..<18).map(Float.init))
        #expect(tensor.reshaped([6, 4])[5..<6].floatArray() == [20, 21, 22, 23])
        #expect(tensor[4..<4].floatArray().isEmpty)
        let address = tensor.withUnsafeBytes { $0.baseAddress }
        #expect(tensor[1..<3].withUnsafeBytes { $0.baseAddress } == address.map { $0 + 24 })
    }

    @Test func storageOutlivesTheTensorItWasMadeFor() {
        func view() -> Tensor { Tensor([Float](repeating: 7, count: 4096), shape: [64, 64])[63..<64] }
        let view1 = view()
        for _ in 0..<100 { _ = Tensor([Float](repeating: 1, count: 4096), shape: [64, 64]) }
        #expect(view1.floatArray() == [Float](repeating: 7, count: 64))
    }

    @Test func castsRoundToNearestEven() {
        let values: [Float] = [0, -0, 1, 1.00390625, 1.01171875, 65504, 65520, 1e-8, .infinity, -.infinity]
        let half = cast(Tensor(values, shape: [values.count]), to: .f16)
        #expect(half.floatArray() == values.map { Float(Float16($0)) })
        let brain = cast(Tensor(values, shape: [values.count]), to: .bf16).floatArray()
        // 1 + 2^-8 lies between 1 and 1 + 2^-7: to even; 1 + 3·2^-8 between 1 + 2^-7 and 1 + 2^-6: to even again.
        #expect(brain[3] == 1)
        #expect(brain[4] == 1.015625)
        #expect(brain[8] == .infinity)
        #expect(cast(Tensor([Float.nan], shape: [1]), to: .bf16).floatArray()[0].isNaN)
        #expect(cast(Tensor([Float.nan], shape: [1]), to: .f16).floatArray()[0].isNaN)
    }

    @Test func integersOfEveryWidth() {
        #expect(Tensor([3, -4, 5], shape: [3]).intArray() == [3, -4, 5])
        #expect(Tensor([Float(1)], shape: [1]).intArray() == nil)
        #expect(Tensor([3, -4, 5], shape: [3]).floatArray() == [3, -4, 5])
    }

    @Test func rowsAndColumnsAreMoved() {
        let a = Tensor([Float](stride(from: 0, to: 6, by: 1)), shape: [3, 2])
        let b = Tensor([Float](stride(from: 10, to: 13, by: 1)), shape: [3, 1])
        #expect(concatenateColumns([a, b]).floatArray() == [0, 1, 10, 2, 3, 11, 4, 5, 12])
        #expect(concatenate([a, a[0..<1]]).shape == [4, 2])
        #expect(gatherRows(a, [2, 0, 2]).floatArray() == [4, 5, 0, 1, 4, 5])
        #expect(gatherRows(a, []).shape == [0, 2])
    }
}

@Suite struct MappedFileTests {
    @Test func mapsWhatIsThere() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "idefics-map-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try Data((0..<200).map(UInt8.init)).write(to: url)
        let file = try MappedFile(url)
        #expect(file.byteCount == 200)
        let tensor = Tensor(shape: [4], dtype: .u8, storage: file.storage(100..<104))
        #expect(tensor.intArray() == [100, 101, 102, 103])
        try Data().write(to: url)
        #expect(try MappedFile(url).byteCount == 0)
    }

    @Test(arguments: ["/nonexistent/file", "/tmp", "/dev/null"])
    func refusesWhatIsNoFile(path: String) {
        #expect { try MappedFile(URL(filePath: path)) } throws: { error in
            guard case TensorError.file(let named, _) = error else { return false }
            return named == path
        }
    }
}
