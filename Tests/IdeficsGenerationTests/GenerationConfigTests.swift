// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsGeneration
import IdeficsTestSupport
import Testing

@Suite struct GenerationConfigTests {
    private func read(_ json: String) throws -> GenerationConfig {
        try GenerationConfig(json: Data(json.utf8), file: "dir/generation_config.json")
    }

    @Test func defaultsAreTransformers() throws {
        let config = try read("{}")
        #expect(config == GenerationConfig())
        #expect(config.maxLength == nil && config.maxNewTokens == nil && config.minLength == 0)
        #expect(!config.doSample && config.numBeams == 1 && config.numReturnSequences == 1)
        #expect(config.temperature == 1 && config.topK == 50 && config.topP == 1 && config.typicalP == 1)
        #expect(config.minP == nil && config.repetitionPenalty == 1 && config.noRepeatNgramSize == 0)
        #expect(config.lengthPenalty == 1 && config.earlyStopping == .disabled && config.eosTokenId.isEmpty)
        try config.validate()
    }

    @Test func fixtureFiles() throws {
        for name in ["f1-resampler-qk", "f2-plain-vector", "f7-e2e"] {
            let config = try GenerationConfig(json: Fixtures.data("\(name)/generation_config.json"))
            #expect((config.bosTokenId, config.padTokenId) == (1, 0))
            #expect(config.eosTokenId == [2])
            try config.validate()
        }
    }

    @Test func everyKeyGoesThereAndBack() throws {
        let json = """
            {"max_length": 90, "max_new_tokens": 3, "min_length": 1, "min_new_tokens": 2, "max_time": 1.5,
             "stop_strings": ["a", "b"], "do_sample": true, "num_beams": 4, "num_return_sequences": 2,
             "early_stopping": "never", "length_penalty": -1, "use_cache": false, "seed": 18446744073709551615,
             "temperature": 0.5, "top_k": 7, "top_p": 0.25, "min_p": 0.125, "typical_p": 0.75,
             "repetition_penalty": 2, "no_repeat_ngram_size": 3, "bad_words_ids": [[1], [2, 3]], "bos_token_id": 5,
             "pad_token_id": 6, "eos_token_id": [7, 8], "suppress_tokens": [9, -1], "begin_suppress_tokens": [0], "transformers_version": "5.23.0",
             "use_mambapy": {"x": []}}
            """
        let config = try read(json)
        #expect(config.seed == .max && config.earlyStopping == .never && config.badWordsIds == [[1], [2, 3]])
        #expect(config.stopStrings == ["a", "b"] && config.lengthPenalty == -1 && config.minP == 0.125)
        let encoded = try JSONEncoder().encode(config)
        #expect(try GenerationConfig(json: encoded) == config)
        #expect(try JSONDecoder().decode(GenerationConfig.self, from: encoded) == config)
        let keys = try #require(try JSONSerialization.jsonObject(with: encoded) as? [String: Any]).keys
        #expect(keys.count == 26)
        try config.validate()
    }

    /// Options that only this package leaves out are named, in the order of the alphabet.
    @Test(
        arguments: [
            (#"{"penalty_alpha": 0.6, "dola_layers": "low"}"#, ["dola_layers", "penalty_alpha"]),
            (#"{"sequence_bias": {"[5]": 10.0}, "forced_eos_token_id": 2}"#, ["forced_eos_token_id", "sequence_bias"]),
            (
                #"{"sequence_bias": [[[5], 10.0]], "watermarking_config": {"bias": 2.5}}"#,
                [
                    "sequence_bias", "watermarking_config",
                ]
            ),
            (
                #"{"num_beam_groups": 2, "diversity_penalty": 0.5, "epsilon_cutoff": 0.0003}"#,
                [
                    "diversity_penalty", "epsilon_cutoff", "num_beam_groups",
                ]
            ),
            // What asks for nothing, as transformers 4 and 5 write it.
            (
                #"{"num_beam_groups": 1, "diversity_penalty": 0.0, "guidance_scale": 1, "eta_cutoff": 0, "top_h": null}"#,
                []
            ),
            (#"{"renormalize_logits": false, "force_words_ids": [], "sequence_bias": {}, "token_healing": false}"#, []),
            (
                #"{"cache_implementation": "static", "prompt_lookup_num_tokens": 3, "output_scores": true, "mine": 1}"#,
                []
            ),
        ] as [(String, [String])]
    )
    func optionsWithoutEffectAreNamed(json: String, names: [String]) throws {
        #expect(try read(json).ignoredOptions == names)
        var config = try read(#"{"penalty_alpha": 1}"#)
        try config.merge(json: Data(json.utf8), file: "request")
        #expect(Set(config.ignoredOptions) == Set(names + ["penalty_alpha"]))
    }

    @Test func oneOrMany() throws {
        #expect(try read(#"{"eos_token_id": 2, "stop_strings": "x"}"#).eosTokenId == [2])
        #expect(try read(#"{"eos_token_id": 2, "stop_strings": "x"}"#).stopStrings == ["x"])
        #expect(try read(#"{"early_stopping": true}"#).earlyStopping == .enabled)
        #expect(try read(#"{"top_k": null, "eos_token_id": null, "min_p": null}"#) == GenerationConfig())
    }

    @Test func mergingOverrides() throws {
        var config = try read(#"{"eos_token_id": 2, "top_k": 5, "min_new_tokens": 4}"#)
        try config.merge(
            json: Data(#"{"top_k": 9, "eos_token_id": [3, 4], "min_new_tokens": null}"#.utf8),
            file: "request"
        )
        #expect(config.topK == 9 && config.eosTokenId == [3, 4] && config.minNewTokens == 4)
        let before = config
        #expect(throws: GenerationError.self) {
            try config.merge(json: Data(#"{"top_k": 1, "top_p": "x"}"#.utf8), file: "request")
        }
        #expect(config == before)
    }

    @Test(
        arguments: [
            ("max_new_tokens", "\"9\""), ("max_new_tokens", "1.5"), ("max_length", "99999999999999999999"),
            ("do_sample", "1"), ("early_stopping", "\"maybe\""), ("early_stopping", "1"), ("temperature", "true"),
            ("bad_words_ids", "[1]"), ("eos_token_id", "\"2\""), ("eos_token_id", "[2, null]"), ("seed", "-1"),
            ("stop_strings", "{}"), ("top_p", "[0.9]"), ("num_beams", "{}"),
        ]
    )
    func wrongTypesNameFileAndKey(key: String, value: String) {
        do {
            _ = try read("{\"\(key)\": \(value)}")
            Issue.record("\(key): \(value) was read")
        } catch let error as GenerationError {
            #expect(error.description.contains("dir/generation_config.json"))
            #expect(error.description.contains(key))
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test func notAnObject() {
        for text in ["", "{", "[1]", "null", "3", "{\"a\": }", "\u{0}", String(repeating: "[", count: 100_000)] {
            #expect(throws: GenerationError.self) { try read(text) }
        }
    }

    @Test func fillToken() {
        var config = GenerationConfig(maxNewTokens: 1, eosTokenId: [2, 5], padTokenId: 0)
        #expect(config.fillTokenId == 0)
        config.numBeams = 3
        #expect(config.fillTokenId == 2)
        config.padTokenId = 4
        #expect(config.fillTokenId == 4)
        (config.padTokenId, config.numBeams) = (nil, 1)
        #expect(config.fillTokenId == 2)
    }

    @Test func nonsenseIsRefused() {
        func refuse(_ name: String, _ change: (inout GenerationConfig) -> Void) {
            var config = GenerationConfig(maxNewTokens: 4)
            change(&config)
            do {
                try config.validate()
                Issue.record("\(name) was accepted")
            } catch let error as GenerationError {
                guard case .invalidOption(name: name, value: _, reason: _) = error else {
                    Issue.record("\(name): \(error)")
                    return
                }
            } catch {
                Issue.record("\(error)")
            }
        }
        refuse("max_new_tokens") { $0.maxNewTokens = 0 }
        refuse("max_length") { $0.maxLength = -1 }
        refuse("min_length") { $0.minLength = -1 }
        refuse("min_new_tokens") { $0.minNewTokens = -1 }
        refuse("max_time") { $0.maxTime = .nan }
        refuse("stop_strings") { $0.stopStrings = ["a", ""] }
        refuse("num_beams") { $0.numBeams = 0 }
        refuse("num_beams") { $0.numBeams = .max }
        refuse("num_return_sequences") { $0.numReturnSequences = 0 }
        refuse("num_return_sequences") { $0.numReturnSequences = 2 }
        refuse("num_return_sequences") { ($0.numReturnSequences, $0.numBeams) = (4, 3) }
        refuse("num_return_sequences") { ($0.numReturnSequences, $0.doSample) = (.max, true) }
        refuse("length_penalty") { $0.lengthPenalty = .infinity }
        for value in [0, -1, .nan, .infinity, 1e-60, 1e60] {
            refuse("temperature") { ($0.doSample, $0.temperature) = (true, value) }
            refuse("repetition_penalty") { $0.repetitionPenalty = value }
        }
        for value in [0, 1.01, -1, .nan] {
            refuse("top_p") { ($0.doSample, $0.topP) = (true, value) }
            refuse("typical_p") { ($0.doSample, $0.typicalP) = (true, value) }
        }
        refuse("min_p") { ($0.doSample, $0.minP) = (true, 1.5) }
        refuse("top_k") { ($0.doSample, $0.topK) = (true, -1) }
        refuse("no_repeat_ngram_size") { $0.noRepeatNgramSize = -1 }
        refuse("bad_words_ids") { $0.badWordsIds = [[1], []] }
        refuse("bad_words_ids") { $0.badWordsIds = [[1, -1]] }
        refuse("eos_token_id") { $0.eosTokenId = [-1] }
        refuse("eos_token_id") { $0.eosTokenId = Array(0..<2000) }
    }

    @Test func samplingOptionsAreFreeWithoutSampling() throws {
        var config = GenerationConfig()
        (config.temperature, config.topP) = (0, 0)
        try config.validate()
    }

    /// Mutated files are read or refused with a typed error; what is read and valid can also be run.
    @Test func mutatedFiles() throws {
        let seeds = [
            #"{"max_length":9,"max_new_tokens":3,"min_length":1,"do_sample":true,"num_beams":2,"num_return_sequences":2}"#,
            #"{"early_stopping":"never","length_penalty":-1.5,"temperature":0.5,"top_k":7,"top_p":0.25,"min_p":0.1}"#,
            #"{"bad_words_ids":[[1],[2,3]],"eos_token_id":[7,8],"pad_token_id":0,"repetition_penalty":2.0,"seed":4}"#,
        ].map { Array($0.utf8) }
        let alphabet = Array(#"{}[]",:.-+eE0123456789nulltrue\x"#.utf8)
        var random = RandomStream(seed: 99)
        var accepted = 0
        for round in 0..<4000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0...Int(random.next() % 3) {
                let position = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes.remove(at: position)
                case 1: bytes.insert(alphabet[Int(random.next() % UInt64(alphabet.count))], at: position)
                case 2: bytes[position] = UInt8(truncatingIfNeeded: random.next())
                default: bytes[position] = alphabet[Int(random.next() % UInt64(alphabet.count))]
                }
            }
            do {
                var config = try GenerationConfig(json: Data(bytes), file: "fuzz")
                try config.validate()
                accepted += 1
                config.maxNewTokens = min(config.maxNewTokens ?? 3, 3)
                config.numBeams = min(config.numBeams, 4)
                config.numReturnSequences = min(config.numReturnSequences, config.numBeams)
                _ = try TableSession.random(vocabSize: 9, seed: 1, prompts: [[1, 2]]).generate(config)
            } catch is GenerationError {
                continue
            }
        }
        #expect(accepted > 300)
    }
}
