// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// What torch and the official library say is in the files (Tools/make_golden_checkpoints.py).
struct Golden: Decodable {
    struct Fact: Decodable {
        let dtype: String
        let shape: [Int]
        let hex: String

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            dtype = try values.decode(String.self)
            shape = try values.decode([Int].self)
            hex = try values.decode(String.self)
        }
    }

    let tensors: [String: [String: Fact]]
    let digests: [String: UInt32]

    static func load() throws -> Golden {
        try JSONDecoder().decode(Golden.self, from: Fixtures.data("checkpoints/golden.json"))
    }
}

func hex(_ tensor: Tensor) -> String {
    tensor.withUnsafeBytes { bytes in
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

@Suite struct ReferenceTests {
    @Test(arguments: [
        "protocol2.bin", "protocol3.bin", "protocol4.bin", "protocol5.bin", "module.bin", "kinds.safetensors",
        "sharded-bin", "early-index",
    ])
    func everyTensorIsWhatPythonReads(_ name: String) throws {
        let facts = try #require(try Golden.load().tensors[name])
        let url = Fixtures.url("checkpoints/\(name)")
        let checkpoint = try url.pathExtension.isEmpty ? Checkpoint(directory: url) : Checkpoint(file: url)
        #expect(checkpoint.tensorNames == facts.keys.sorted())
        for (name, fact) in facts {
            let metadata = try #require(checkpoint.metadata(named: name))
            #expect(metadata.dtype.rawValue == fact.dtype)
            #expect(metadata.shape == fact.shape)
            #expect(metadata.byteCount == fact.hex.utf8.count / 2)
            let tensor = try checkpoint.tensor(named: name)
            #expect(tensor.shape == fact.shape)
            #expect(StoredDType(tensor.dtype) == metadata.dtype)
            #expect(hex(tensor) == fact.hex, "\(name)")
        }
    }

    @Test func everyFixtureHasTheDigestPythonComputed() throws {
        let digests = try Golden.load().digests
        #expect(digests.count == 40)
        for (path, digest) in digests {
            let checkpoint = try Checkpoint(file: Fixtures.url(path))
            var crc = CRC32(.zlib)
            for name in checkpoint.tensorNames {
                let tensor = try checkpoint.tensor(named: name)
                let shape = tensor.shape.map(String.init).joined(separator: ",")
                crc.update("\(name) \(StoredDType(tensor.dtype).rawValue) [\(shape)]\n".utf8)
                tensor.withUnsafeBytes { crc.update($0) }
            }
            #expect(crc.value == digest, "\(path)")
        }
    }

    @Test func shardsHoldTheWeightsOfTheSingleFile() throws {
        let sharded = try Checkpoint(directory: Fixtures.url("f5-sharded"))
        let single = try Checkpoint(directory: Fixtures.url("f1-resampler-qk"))
        #expect(sharded.weightFileNames.count == 4)
        #expect(single.weightFileNames == ["model.safetensors"])
        #expect(sharded.tensorNames == single.tensorNames)
        for name in single.tensorNames {
            #expect(try hex(sharded.tensor(named: name)) == hex(single.tensor(named: name)), "\(name)")
        }
    }

    @Test func directoriesOpenByWhatTheyHold() throws {
        for (fixture, file) in [
            ("f1-resampler-qk", "model.safetensors"), ("f2-plain-vector", "model.safetensors"),
            ("f3-noqk-noextra", "model.safetensors"), ("f4-bin-noresampler-qk", "pytorch_model.bin"),
            ("f5-sharded", "model.safetensors.index.json"), ("f6-bf16", "model.safetensors"),
            ("f7-e2e", "model.safetensors"),
        ] {
            let checkpoint = try Checkpoint(directory: Fixtures.url(fixture))
            #expect(checkpoint.url.lastPathComponent == file)
            #expect(checkpoint.tensorNames.contains("lm_head.weight"))
            #expect(checkpoint.contains("model.embed_tokens.weight"))
            #expect(!checkpoint.contains("model.embed_tokens"))
        }
        #expect(throws: CheckpointError.noCheckpoint(directory: Fixtures.url("processor").path)) {
            try Checkpoint(directory: Fixtures.url("processor"))
        }
    }

    @Test func alignedContiguousTensorsAreMapped() throws {
        for name in ["f1-resampler-qk/model.safetensors", "f4-bin-noresampler-qk/pytorch_model.bin"] {
            let checkpoint = try Checkpoint(file: Fixtures.url(name))
            #expect(checkpoint.tensorNames.allSatisfy { checkpoint.metadata(named: $0)?.isMapped == true })
        }
        let file = try PyTorchFile(Fixtures.url("checkpoints/protocol2.bin"))
        for name in ["base", "rows", "tied", "parameter", "scalar", "empty", "single", "type.BF16"] {
            #expect(file.metadata(named: name)?.isMapped == true, "\(name)")
        }
        for name in ["transposed", "columns", "everySecond", "permuted"] {
            #expect(file.metadata(named: name)?.isMapped == false, "\(name)")
        }
    }

    @Test func tensorsOfOneStorageShareTheirBytes() throws {
        let file = try PyTorchFile(Fixtures.url("checkpoints/protocol4.bin"))
        func address(_ name: String) throws -> UInt {
            try file.tensor(named: name).withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        }
        #expect(try address("base") == address("tied"))
        #expect(try address("rows") == address("base") + 6 * 4)
    }

    @Test func metadataOfTheFileIsRead() throws {
        let file = try SafetensorsFile(Fixtures.url("checkpoints/kinds.safetensors"))
        #expect(file.fileMetadata == ["format": "pt"])
    }

    @Test func otherElementTypesAreListedButNotLoaded() throws {
        let url = Fixtures.url("checkpoints/unsupported.bin")
        let file = try PyTorchFile(url)
        #expect(file.tensorNames == ["complex", "float8", "plain", "unsigned"])
        #expect(file.metadata(named: "complex")?.dtype == .c64)
        #expect(file.metadata(named: "float8")?.dtype == .f8e4m3)
        #expect(file.metadata(named: "unsigned")?.dtype == .u16)
        #expect(try file.tensor(named: "plain").floatArray() == [1, 1])
        for (name, type) in [("complex", "C64"), ("float8", "F8_E4M3"), ("unsigned", "U16")] {
            let reason = "elements of type \(type) can be listed but not loaded"
            #expect(throws: CheckpointError.unsupported(file: url.path, field: name, reason: reason)) {
                try file.tensor(named: name)
            }
        }
        #expect(throws: CheckpointError.missingTensor(file: url.path, name: "other")) {
            try file.tensor(named: "other")
        }
    }
}
