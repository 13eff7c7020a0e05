// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// States come from files: what no run can have is an error that names the file and the key.
@Suite struct StateFileTests {
    private let fixture: TrainingFixture
    private let recipe: TrainingRecipe
    private var place: URL { RunFolder(recipe.output).checkpoint(1) }

    init() async throws {
        fixture = try TrainingFixture()
        recipe = try fixture.recipe(["trainer.maxSteps=1"])
        _ = try await fixture.trainer(recipe).run()
    }

    private func expectRefusal(of file: String, naming key: String) {
        let error = #expect(throws: TrainingError.self) { try fixture.trainer(recipe, isResuming: true) }
        guard case .run(let path, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect("\(path): \(reason)".contains(file) && (key.isEmpty || reason.contains(key)), "\(path): \(reason)")
    }

    @Test(arguments: [
        ("step", "-1"), ("step", "2"), ("step", "1e30"), ("step", "1.5"), ("step", "null"), ("updates", "-1"),
        ("updates", "2"), ("position.epoch", "-1"), ("position.epoch", "9223372036854775807"), ("position.index", "-1"),
        ("position.index", "6"), ("position.index", "9223372036854775807"), ("microBatches", "18446744073709551615"),
        ("microBatches", "-1"), ("tokens", "9223372036854775807"), ("tokens", "-5"), ("images", "9223372036854775807"),
        ("images", "-9223372036854775808"), ("spikes.count", "9223372036854775807"), ("spikes.count", "-1"),
        ("spikes.skipped", "9223372036854775807"), ("spikes.skippedInARow", "-1"), ("spikes.meanNorm", "-1"),
        ("spikes.meanNorm", "1e999"),
    ])
    func numbersAreChecked(key: String, value: String) throws {
        let url = place.appending(path: "state.json")
        let last = try #require(key.split(separator: ".").last)
        let expression = try Regex("\"\(last)\" : [^,\n]*")
        let text = try String(contentsOf: url, encoding: .utf8)
        let changed = text.replacing(expression, with: "\"\(last)\" : \(value)")
        #expect(changed != text)
        try Data(changed.utf8).write(to: url)
        expectRefusal(of: "state.json", naming: value == "1e999" ? "" : String(last))
    }

    @Test(arguments: ["parameters.safetensors", "first_moments.safetensors", "second_moments.safetensors"])
    func sizesAreChecked(file: String) throws {
        let url = place.appending(path: file)
        let old = try SafetensorsFile(url)
        var tensors: [String: Tensor] = [:]
        for name in old.tensorNames { tensors[name] = try old.tensor(named: name) }
        let name = try #require(old.tensorNames.first)
        tensors[name] = Tensor([Float(1)], shape: [1, 1, 1])
        try SafetensorsWriter.write(tensors, to: url)
        expectRefusal(of: file, naming: name)
    }

    @Test func itsRecipeIsChecked() throws {
        let url = place.appending(path: "recipe.json")
        let text = try String(contentsOf: url, encoding: .utf8)
        try Data(text.replacing("\"warmupSteps\" : 0", with: "\"warmupSteps\" : -1").utf8).write(to: url)
        expectRefusal(of: "recipe.json", naming: "trainer.warmupSteps")
    }
}
