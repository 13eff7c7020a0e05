// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTraining
import Testing

@Suite struct RecipeTests {
    static let yaml = """
        model: DIR
        output: run
        data:
          train: a.jsonl
          samples: ["One", {user: What?, image: b.png}]
        trainer:
          learningRate: 2e-4
          lrSchedulerType: cosine
          noDecay: [bias]
        """

    @Test func keysAreRead() throws {
        let recipe = try TrainingRecipe(yaml: Self.yaml)
        #expect(recipe.model == "DIR" && recipe.data.train == "a.jsonl")
        #expect(recipe.trainer.learningRate == 2e-4 && recipe.trainer.lrSchedulerType == .cosine)
        #expect(recipe.trainer.noDecay == ["bias"])
        #expect(recipe.trainer.adamBeta2 == 0.999)
        #expect(recipe.data.samples.map(\.user) == [nil, "What?"])
    }

    @Test func overridesWinAndMakeSections() throws {
        let recipe = try TrainingRecipe(
            yaml: Self.yaml,
            overrides: ["trainer.learningRate=1", "trainer.learningRate=3e-5", "parameters.train=[lm_head.*, \"a*\"]"]
        )
        #expect(recipe.trainer.learningRate == 3e-5)
        #expect(recipe.parameters.train == ["lm_head.*", "a*"])
    }

    /// What a checkpoint keeps of its recipe is read back as it was, to the last bit.
    @Test func theTutorialsRecipeIsGood() throws {
        let url = Fixtures.url("../../docs/easy-vqa.yaml")
        let recipe = try TrainingRecipe(yaml: String(contentsOf: url, encoding: .utf8))
        #expect(recipe.lora?.modulesToSave == ["gated_cross_attn_layers", "perceiver_resampler"])
        #expect(recipe.trainer.learningRateMultiplier("model.gated_cross_attn_layers.0.alpha_dense") == 40)
    }

    @Test func jsonIsReadBack() throws {
        var recipe = try TrainingRecipe(yaml: Self.yaml)
        recipe.trainer.learningRate = 0.1 + 0.2
        recipe.trainer.adamEpsilon = 1e-8
        recipe.trainer.seed = .max
        #expect(try TrainingRecipe(yaml: String(decoding: recipe.json, as: UTF8.self)) == recipe)
    }

    /// Characters that YAML does not take as they are, or takes for line ends, in every text of a recipe.
    @Test(arguments: [
        "\u{7F}", "\u{C3}\u{89}", "a\u{85} b", "k\u{2028} z", " \u{2029}", "\u{FFFE}\u{FFFF}", "\u{FEFF}",
    ])
    func jsonHoldsAnyText(text: String) throws {
        var recipe = try TrainingRecipe(yaml: Self.yaml)
        recipe.data.train = "\(text)/a.jsonl"
        recipe.data.samples = [SamplePrompt(text: "x\(text)y")]
        recipe.data.ignoredKeys = [text]
        let json = String(decoding: try recipe.json, as: UTF8.self)
        #expect(try TrainingRecipe(yaml: json) == recipe)
        #expect(try TrainingRecipe(yaml: json, overrides: ["trainer.seed=42"]) == recipe)
    }

    /// As Python's `json.dump` writes it.
    @Test func jsonOfOtherSoftwareIsRead() throws {
        let json = #"""
            {"model": "DIR", "output": "run", "data": {"train": "a.jsonl", "samples": ["\ud83d\ude00", "a\/b"]},
             "trainer": {"maxSteps": 10.0, "seed": 1e3, "learningRate": 1e-05, "learningRateMultipliers": {"1": 2},
             "bf16": true, "dropout": null}, "parameters": {"train": ["null", "1"]}}
            """#
        let recipe = try TrainingRecipe(yaml: json, overrides: [#"data.ignoredKeys=["\ud83d\ude00"]"#])
        #expect(recipe.data.samples.map(\.text) == ["\u{1F600}", "a/b"] && recipe.data.ignoredKeys == ["\u{1F600}"])
        #expect(recipe.trainer.maxSteps == 10 && recipe.trainer.seed == 1000 && recipe.trainer.learningRate == 1e-5)
        #expect(recipe.trainer.learningRateMultipliers == ["1": 2] && recipe.trainer.bf16)
        #expect(recipe.trainer.dropout == nil && recipe.parameters.train == ["null", "1"])
    }

    @Test(arguments: [
        (#"{"model": "a", "model": "b"}"#, "model", "twice"),
        (#"{"data": {"samples": ["\ud83d"]}}"#, "data.samples[0]", "half"),
        (#"{"trainer": {"maxSteps": 1.5}}"#, "trainer.maxSteps", "a whole number"),
        (#"{"trainer": {"bf16": "x"}}"#, "trainer.bf16", "true or false"),
        (
            #"{"trainer": {"learningRate": NaN}, "model": "m", "output": "o", "data": {"train": "t"}}"#,
            "trainer.learningRate", "0 or more"
        ),
        (#"{"trainer": {"noDecay": [null]}}"#, "trainer.noDecay", "null"),
    ])
    func wrongJSONIsNamed(json: String, key: String, reason: String) throws {
        let error = #expect(throws: TrainingError.self) { try TrainingRecipe(yaml: json) }
        guard case .config(let found, let text) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(found == key && text.contains(reason), "\(String(describing: error))")
    }

    @Test(arguments: [
        ("trainer.learningrate=1", "trainer.learningrate"), ("data.loss=some", "data.loss"), ("extra=1", "extra"),
        ("trainer.learningRate=-1", "trainer.learningRate"), ("trainer.learningRate=.nan", "trainer.learningRate"),
        ("trainer.learningRateMultipliers={a: -1}", "trainer.learningRateMultipliers.a"),
        ("trainer.learningRate=.inf", "trainer.learningRate"), ("trainer.learningRate=fast", "trainer.learningRate"),
        ("trainer.adamBeta1=1", "trainer.adamBeta1"), ("trainer.adamBeta2=0.9999999999", "trainer.adamBeta2"),
        ("trainer.adamBeta1=-1", "trainer.adamBeta1"), ("trainer.adamEpsilon=1e-60", "trainer.adamEpsilon"),
        ("trainer.adamEpsilon=.nan", "trainer.adamEpsilon"), ("trainer.dropout=0.999999999", "trainer.dropout"),
        ("trainer.dropout=-1e-60", "trainer.dropout"), ("trainer.maxSteps=1.5", "trainer.maxSteps"),
        ("trainer.perDeviceTrainBatchSize=0", "trainer.perDeviceTrainBatchSize"),
        ("trainer={maxBatchTokens: 10, numTrainEpochs: 1001}", "trainer.numTrainEpochs"),
        ("trainer.evalSteps=5", "trainer.evalSteps"),
        ("trainer.spikeFactor=0.5", "trainer.spikeFactor"), ("data.maxTokens=1", "data.maxTokens"),
        ("trainer=3", "trainer"), ("model=", "model"), ("model.x.y=1", "model.x.y"),
        ("data.samples=[{}]", "data.samples"),
        ("trainer.seed=-1", "trainer.seed"), ("=1", "=1"), ("trainer", "trainer"),
        ("trainer.maxSteps=[", "trainer.maxSteps"), ("trainer.noDecay=[null]", "trainer.noDecay"),
        ("trainer.noDecay=[bias, ~]", "trainer.noDecay"), ("trainer={noDecay: [null]}", "trainer"),
    ])
    func wrongValuesAreNamed(override: String, key: String) throws {
        var yaml = Self.yaml
        if override.hasPrefix("trainer.evalSteps") { yaml = yaml.replacing("  samples", with: "  #") }
        let error = #expect(throws: TrainingError.self) {
            try TrainingRecipe(yaml: yaml, overrides: [override])
        }
        guard case .config(let found, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(found == key, "\(String(describing: error))")
    }

    @Test(arguments: ["a: [", "- 1", "3", "{a: b}", "\u{0}"])
    func otherTextIsRefused(yaml: String) {
        #expect(throws: TrainingError.self) { try TrainingRecipe(yaml: yaml) }
    }

    /// As editors on other systems write it.
    @Test func marksAndLineEndsAreReadOver() throws {
        #expect(try TrainingRecipe(yaml: "\u{FEFF}" + Self.yaml) == TrainingRecipe(yaml: Self.yaml))
        let text = "\u{FEFF}" + Self.yaml.replacing("\n", with: "\r\n")
        #expect(try TrainingRecipe(yaml: text) == TrainingRecipe(yaml: Self.yaml))
        let error = #expect(throws: TrainingError.self) {
            try TrainingRecipe(yaml: Self.yaml.replacing("  train:", with: "\ttrain:"))
        }
        #expect("\(String(describing: error))".contains("tab"))
    }

    @Test func aliasesAreTexts() throws {
        let yaml = """
            model: &dir DIR
            output: *dir
            data: {train: *dir, samples: &all ["*one & more: what?", &two Two, *two]}
            """
        let recipe = try TrainingRecipe(yaml: yaml)
        #expect(recipe.output == "DIR" && recipe.data.samples.map(\.text) == ["*one & more: what?", "Two", "Two"])
    }

    /// Ten lines stand for 10¹⁰ values; keys of them, which the parser compares, in all ways to write them.
    @Test(arguments: [
        "extra: *a9", "? *a9\n: 1", "? [*a9]\n: 1", "*a9 : 1", "extra: {*a9: 1}", "extra: {[*a9]: 1}",
        "extra: {?[*a9]}",
        "extra: [? *a9 : 1]", "extra: {{b: *a9}: 1}", "<<: *a9", "data: {samples: *a9}", "?\n  - *a9\n: 1",
        "extra: [\n  *a9: 1]", "extra: {*a9:1}",
    ])
    func treesOfAliasesAreRefused(last: String) throws {
        var lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
        for level in 1...9 {
            let alias = "*a\(level - 1)"
            lines.append("a\(level): &a\(level) [\(Array(repeating: alias, count: 10).joined(separator: ","))]")
        }
        let trees = (lines + ["model: m", "output: run", last]).joined(separator: "\n")
        #expect(throws: TrainingError.self) { try TrainingRecipe(yaml: trees) }
        #expect(throws: TrainingError.self) {
            try TrainingRecipe(yaml: Self.yaml, overrides: ["extra={\(lines.joined(separator: ", ")), \(last)}"])
        }
    }

    @Test(arguments: [
        String(repeating: "[", count: 900) + String(repeating: "]", count: 900), String(repeating: "[", count: 100_000),
        String(repeating: "{a: ", count: 900) + "1" + String(repeating: "}", count: 900), "{[a]: b}", "{{a: b}: c}",
        "model: a\nmodel: b", "data: {train: a, train: b}", "model: a\n---\nmodel: b", "model: *unknown",
        "[" + (0..<2000).map { "&a\($0) [*a\(max(0, $0 - 1))]" }.joined(separator: ",") + "]",
        String(repeating: "#", count: 5 << 20),
    ])
    func boundsAreKept(yaml: String) {
        #expect(throws: TrainingError.self) { try TrainingRecipe(yaml: yaml) }
    }

    /// transformers' get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup, by their formulas.
    @Test func schedules() {
        var config = TrainingConfig()
        config.learningRate = 1
        config.warmupSteps = 4
        #expect((0..<4).map { config.learningRate(step: $0, total: 14) } == [0, 0.25, 0.5, 0.75])
        #expect(config.learningRate(step: 4, total: 14) == 1)
        #expect(config.learningRate(step: 9, total: 14) == 0.5)
        #expect(config.learningRate(step: 14, total: 14) == 0)
        config.lrSchedulerType = .constant
        #expect(config.learningRate(step: 13, total: 14) == 1)
        config.lrSchedulerType = .cosine
        for step in 4...14 {
            let expected = 0.5 * (1 + cos(Double.pi * Double(step - 4) / 10))
            #expect(abs(config.learningRate(step: step, total: 14) - expected) < 1e-15)
        }
    }

    @Test func learningRatesByPattern() throws {
        var config = TrainingConfig()
        #expect(config.learningRateMultiplier("model.gated_cross_attn_layers.0.alpha_dense") == 1)
        config.learningRateMultipliers = [
            "*.alpha_*": 40, "*gated_cross_attn_layers*": 0.5, "*perceiver_resampler*": 0,
        ]
        #expect(config.learningRateMultiplier("model.gated_cross_attn_layers.0.alpha_dense") == 20)
        #expect(config.learningRateMultiplier("base_model.model.model.perceiver_resampler.latents") == 0)
        #expect(config.learningRateMultiplier("model.layers.0.self_attn.q_proj.lora_A.weight") == 1)
        let override = #"trainer.learningRateMultipliers={"*.alpha_*": 40}"#
        let recipe = try TrainingRecipe(yaml: Self.yaml, overrides: [override])
        #expect(recipe.trainer.learningRateMultipliers == ["*.alpha_*": 40])
        #expect(try TrainingRecipe(yaml: String(decoding: recipe.json, as: UTF8.self)) == recipe)
    }

    @Test func decayLeavesOutTheCardsNames() {
        let config = TrainingConfig()
        for name in [
            "model.gated_cross_attn_layers.0.alpha_dense", "model.perceiver_resampler.latents",
            "model.gated_cross_attn_layers.0.input_layernorm.weight",
            "model.vision_model.encoder.layers.0.mlp.fc1.bias",
        ] { #expect(!config.isDecayed(name)) }
        #expect(config.isDecayed("model.gated_cross_attn_layers.0.cross_attn.q_proj.weight"))
    }
}
