// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsGeneration
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct MemoryPlanTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A budget of `byteCount` bytes on a machine that has no more.
    private func budget(_ byteCount: Int) throws -> MemoryBudget {
        let proc = folder.url.appending(path: "proc")
        try FileManager.default.createDirectory(at: proc, withIntermediateDirectories: true)
        try Data("MemAvailable: \(byteCount / 1024) kB\n".utf8).write(to: proc.appending(path: "meminfo"))
        return MemoryBudget(limit: nil, system: SystemMemory(root: folder.url))
    }

    private func logits(_ directory: URL, _ fixture: String, memory: MemoryBudget?) throws -> ([Float], MemoryPlan?) {
        let files = ModelFiles(directory: directory)
        let (model, _, plan) = try files.model(files.config(), memory: memory)
        let inputs = try Golden("\(fixture)/golden/single2.safetensors").inputs()
        let first = try model.forward(inputs).logits.floatArray()
        // The second pass begins with what the first left in memory.
        #expect(try model.forward(inputs).logits.floatArray() == first)
        return (first, plan)
    }

    /// No bit of any logit depends on how much of the model stays in memory.
    @Test(
        arguments: ["f1-resampler-qk", "f2-plain-vector", "f3-noqk-noextra", "f4-bin-noresampler-qk"],
        [0, 120_000]
    )
    func streamedModelsComputeTheSame(fixture: String, available: Int) throws {
        let directory = Fixtures.url(fixture)
        let (expected, noPlan) = try logits(directory, fixture, memory: nil)
        #expect(noPlan == nil)
        let (found, plan) = try logits(directory, fixture, memory: budget(available))
        #expect(found == expected)
        let statistics = try #require(plan).statistics
        #expect(statistics.readByteCount > 0)
        #expect(statistics.droppedByteCount > 0)
    }

    @Test(arguments: QuantizedTensor.Format.allCases)
    func quantisedModelsToo(format: QuantizedTensor.Format) throws {
        let fixture = "f1-resampler-qk"
        let output = folder.url.appending(path: "model")
        try ModelQuantization(directory: Fixtures.url(fixture), options: QuantizationOptions(format)).write(to: output)
        let (expected, _) = try logits(output, fixture, memory: nil)
        let (found, plan) = try logits(output, fixture, memory: budget(0))
        #expect(found == expected)
        #expect(try #require(plan).statistics.droppedByteCount > 0)
    }

    @Test func aModelThatFitsHasNoPlan() throws {
        let files = ModelFiles(directory: Fixtures.url("f1-resampler-qk"))
        #expect(try files.model(files.config(), memory: budget(1 << 30)).memoryPlan == nil)
        #expect(try files.model(files.config(), memory: MemoryBudget()).memoryPlan == nil)
    }

    @Test func planTellsWhatItMeans() throws {
        let files = ModelFiles(directory: Fixtures.url("f1-resampler-qk"))
        let config = try files.config()
        let nothing = try #require(try files.model(config, memory: budget(0)).memoryPlan)
        #expect(nothing.availableByteCount == 0)
        #expect(nothing.streamedByteCount == nothing.weightByteCount)
        #expect(nothing.streamedBytesPerPass > 0)
        #expect(nothing.streamedBytesPerPass < nothing.streamedByteCount)  // the vision tower is for images only
        let some = try #require(try files.model(config, memory: budget(nothing.weightByteCount)).memoryPlan)
        #expect(some.streamedByteCount < nothing.streamedByteCount)
        // What every token needs is first to stay; what is for images gets the crumbs.
        func forImages(_ plan: MemoryPlan) -> Int { plan.streamedByteCount - plan.streamedBytesPerPass }
        let keptForTokens = nothing.streamedBytesPerPass - some.streamedBytesPerPass
        #expect(some.streamedBytesPerPass > 0)
        #expect(keptForTokens > 4 * (forImages(nothing) - forImages(some)))
    }

    /// A limit counts what the process holds already.
    @Test func limitsAreOfTheWholeProcess() throws {
        let files = ModelFiles(directory: Fixtures.url("f1-resampler-qk"))
        let plan = try files.model(files.config(), memory: MemoryBudget(limit: 1000)).memoryPlan
        #expect(plan?.availableByteCount == 0)
    }

    /// Generating through a container, token by token.
    @Test func containersGenerateTheSame() async throws {
        func tokens(_ memory: MemoryBudget) async throws -> [Int] {
            let container = try ModelContainer(directory: Fixtures.url("f7-e2e"), memory: memory)
            var config = container.generationConfig
            config.maxNewTokens = 8
            var found: [Int] = []
            for try await event in container.generate([.text("Hello")], config: config) {
                if case .finished(let info) = event { found = info.tokenIds }
            }
            return found
        }
        let expected = try await tokens(MemoryBudget())
        #expect(!expected.isEmpty)
        #expect(try await tokens(budget(0)) == expected)
    }
}
