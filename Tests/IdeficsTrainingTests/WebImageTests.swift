// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsHTTPTestSupport
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// Pictures by URL, from a server of this machine.
@Suite struct WebImageTests {
    private let fixture: TrainingFixture
    private let server: TestServer

    init() throws {
        fixture = try TrainingFixture()
        let folder = fixture.folder.url
        server = try TestServer { request in
            guard let data = try? Data(contentsOf: folder.appending(path: request.path)) else {
                return .text("no such picture", status: 404)
            }
            return Reply(body: data)
        }
    }

    /// One example for each name; every step has one.
    private func write(_ names: [String], to file: String, isRemote: Bool) throws {
        let lines = names.enumerated().map { index, name in
            let place = isRemote ? server.url("/\(name)?\(index)").absoluteString : name
            return #"{"image":"\#(place)","text":"Picture \#(index)"}"#
        }
        try fixture.write(lines, to: file)
    }

    private func recipe(_ output: String, _ more: [String] = []) throws -> TrainingRecipe {
        try fixture.recipe(
            [
                "trainer.perDeviceTrainBatchSize=1", "trainer.maxSteps=4", "data.shuffle=false",
                "data.train=\(fixture.folder.path("\(output).jsonl"))", "data.allowPrivateAddresses=true",
            ] + more,
            output: output
        )
    }

    /// The same numbers as with files; and the pictures of step 2 are asked for before step 1 has ended.
    @Test func picturesAreFetchedAheadAndChangeNothing() async throws {
        let names = ["rgb.png", "photo_444.jpg", "rgb.png", "photo_444.jpg"]
        try write(names, to: "web.jsonl", isRemote: true)
        try write(names, to: "files.jsonl", isRemote: false)
        let wasAhead = Locked(false)
        let trainer = try fixture.trainer(recipe("web")) { [server] event in
            guard case .step(let metrics, _, _) = event, metrics.step == 1 else { return }
            // The step does not end before this does; no more is asked of the machine's speed than to answer at all.
            let deadline = Date(timeIntervalSinceNow: 60)
            while !server.log.contains("GET /photo_444.jpg?1"), Date() < deadline {
                Thread.sleep(forTimeInterval: 0.005)
            }
            wasAhead.withLock { $0 = server.log.contains("GET /photo_444.jpg?1") }
        }
        #expect(try await trainer.run() == .finished)
        #expect(wasAhead.withLock { $0 })
        // No more than the run needs, each once, in order.
        #expect(server.log == names.enumerated().map { "GET /\($1)?\($0)" })
        #expect(try await fixture.trainer(recipe("files")).run() == .finished)
        let (web, files) = (try fixture.lastCheckpoint("web"), try fixture.lastCheckpoint("files"))
        for name in ["parameters.safetensors", "first_moments.safetensors", "second_moments.safetensors"] {
            #expect(web[name] == files[name] && web[name] != nil, "\(name)")
        }
    }

    @Test func picturesThatCannotBeHadStopOrAreLeftOut() async throws {
        try write(["rgb.png", "none.png", "rgba.png"], to: "web.jsonl", isRemote: true)
        let steps = Locked<[Int]>([])
        let error = await #expect(throws: TrainingError.self) {
            try await fixture.trainer(recipe("web")) { event in
                if case .step(let metrics, _, _) = event { steps.withLock { $0.append(metrics.step) } }
            }.run()
        }
        guard case .data(_, 2, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("404") && steps.withLock { $0 } == [1])
        try FileManager.default.removeItem(at: fixture.folder.url.appending(path: "web"))
        #expect(try await fixture.trainer(recipe("web", ["data.badLines=skip"])).run() == .finished)
        // Addresses of this machine are refused unless the recipe allows them.
        try FileManager.default.removeItem(at: fixture.folder.url.appending(path: "web"))
        await #expect(throws: TrainingError.self) {
            try await fixture.trainer(recipe("web", ["data.allowPrivateAddresses=false"])).run()
        }
    }

    /// Images of a micro-batch are on their way at the same time, and come in their order.
    @Test func imagesOfABatchAreLoadedTogether() async throws {
        let folder = fixture.folder.url
        let arrived = Locked<Set<String>>([])
        let gathering = try TestServer { request in
            arrived.withLock { _ = $0.insert(request.target) }
            // No image comes before all three are asked for; no more is asked of the machine's speed than to ask at all.
            let deadline = Date(timeIntervalSinceNow: 60)
            while arrived.withLock({ $0.count }) < 3, Date() < deadline { Thread.sleep(forTimeInterval: 0.002) }
            guard let data = try? Data(contentsOf: folder.appending(path: request.path)),
                arrived.withLock({ $0.count }) == 3
            else { return .text("alone", status: 404) }
            return Reply(body: data)
        }
        let items = ["rgb.png", "photo_444.jpg"].map { #"{"image":"\#(gathering.url("/\($0)").absoluteString)"}"# }
        let lines = [
            #"{"document":[\#(items.joined(separator: ",")),{"text":"Two."}]}"#,
            #"{"image":"\#(gathering.url("/rgb.png?2").absoluteString)","text":"One."}"#,
        ]
        try fixture.write(lines, to: "web.jsonl")
        var config = DataConfig()
        config.shuffle = false
        config.allowPrivateAddresses = true
        let processor = try ModelFiles(directory: TrainingFixture.model).processor()
        func batch(_ name: String) async throws -> TrainingBatch {
            let file = try ExampleFile(path: fixture.folder.path(name))
            let source = try JSONLinesSource(
                TrainingData(file, processor: processor, config: config),
                config: TrainingConfig()
            )
            let slice = try await source.batches(from: source.start, count: 1) { Issue.record("\($0)") }
            return try #require(slice.batches.first)
        }
        let web = try await batch("web.jsonl")
        #expect(web.imageCount == 3)
        let names = lines.map { $0.replacing(gathering.url("/").absoluteString, with: "").replacing("?2", with: "") }
        try fixture.write(names, to: "files.jsonl")
        let files = try await batch("files.jsonl")
        #expect(web.inputs.images.tensor.floatArray() == files.inputs.images.tensor.floatArray())
    }

    /// Of several images that cannot be had the first one is named, however late its answer comes.
    @Test func theFirstBadImageIsNamed() async throws {
        let first = Locked(false)
        let refusing = try TestServer { request in
            if request.path == "/a.png" {
                let deadline = Date(timeIntervalSinceNow: 60)
                while !first.withLock(\.self), Date() < deadline { Thread.sleep(forTimeInterval: 0.002) }
            } else {
                first.withLock { $0 = true }
            }
            return .text("no", status: request.path == "/a.png" ? 404 : 403)
        }
        let lines = ["rgb.png", "a.png", "b.png"].map { name in
            let place = name == "rgb.png" ? name : refusing.url("/\(name)").absoluteString
            return #"{"image":"\#(place)","text":"x"}"#
        }
        try fixture.write(lines, to: "web.jsonl")
        let error = await #expect(throws: TrainingError.self) {
            try await fixture.trainer(recipe("web", ["trainer.perDeviceTrainBatchSize=3"])).run()
        }
        guard case .data(_, 2, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("404"))
    }
}
