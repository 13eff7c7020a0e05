// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsGeneration
import IdeficsImages
import IdeficsTensor
import IdeficsTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The files of a model as other software writes them.
@Suite struct ModelFilesTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for name in try FileManager.default.contentsOfDirectory(atPath: Fixtures.url("f7-e2e").path)
        where name != "golden" {
            let url = folder.url.appending(path: name)
            try FileManager.default.copyItem(at: Fixtures.url("f7-e2e/\(name)"), to: url)
        }
    }

    private var files: ModelFiles { ModelFiles(directory: folder.url) }

    private func text(_ name: String) throws -> String {
        try String(decoding: Data(contentsOf: folder.url.appending(path: name)), as: UTF8.self)
    }

    /// Everything that is read of a model but its weights.
    private func read() async throws -> String {
        let config = try files.config()
        let processor = try files.processor()
        let ids = try await processor.prepare([Prompt([.text("User: a"), .text("b")])]).inputIds.intArray() ?? []
        let images = try files.imageProcessor()
        return "\(config) \(try files.generationConfig(for: config)) \(images) \(ids)"
    }

    private static let marks: [@Sendable (String) -> String] = [
        { "\u{FEFF}\($0)" },
        { $0.replacing("\n", with: "\r\n") },
        { text in
            let unread = #"{"time_step_limit": [0.0, Infinity, -Infinity], "unread": NaN, "half": "\ud83d","#
            return text.prefix { $0 != "{" } + unread + text.drop { $0 != "{" }.dropFirst()
        },
    ]

    @Test(arguments: [
        "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "chat_template.json",
    ])
    func marksLineEndsAndUnreadKeys(_ name: String) async throws {
        if name == "processor_config.json" {
            try folder.write(Array(#"{"image_processor": {"image_size": 42}}"#.utf8), name)
        } else if name == "chat_template.json" {
            try folder.write(Array(#"{"chat_template": "x"}"#.utf8), name)
        }
        let expected = try await read()
        let original = try text(name)
        for change in Self.marks {
            try folder.write(Array(change(original).utf8), name)
            #expect(try await read() == expected)
        }
    }

    private static let settings = [
        "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
        "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json",
        "chat_template.jinja", "tokenizer.json",
    ]

    /// Puts something else in the place of a file, and returns what reading says.
    private func reading(with name: String, _ make: (URL) throws -> Void) async throws -> String {
        let url = folder.url.appending(path: name)
        try? FileManager.default.removeItem(at: url)
        try make(url)
        let error = await #expect(throws: (any Error).self) { try await read() }
        return "\(String(describing: error.map { "\($0)" }))"
    }

    /// As in a cache that was copied without its blobs: going on without the file would give other results.
    @Test(arguments: settings) func linksThatLeadNowhereAreNamed(_ name: String) async throws {
        let message = try await reading(with: name) {
            try FileManager.default.createSymbolicLink(atPath: $0.path, withDestinationPath: "../blobs/gone")
        }
        #expect(message.contains(name) && message.contains("link that leads nowhere"), "\(message)")
    }

    /// None is waited for, and none without an end is begun.
    @Test(arguments: settings) func onlyRegularFilesAreRead(_ name: String) async throws {
        for make: (URL) throws -> Void in [
            { #expect(mkfifo($0.path, 0o600) == 0) },
            { try FileManager.default.createSymbolicLink(atPath: $0.path, withDestinationPath: "/dev/zero") },
        ] {
            let message = try await reading(with: name, make)
            #expect(message.contains(name) && message.contains("not a regular file"), "\(message)")
        }
    }

    /// By their size, before anything is read.
    @Test(arguments: settings) func filesThatAreTooLargeAreRefused(_ name: String) async throws {
        let message = try await reading(with: name) {
            try Data().write(to: $0)
            try FileHandle(forWritingTo: $0).truncate(atOffset: 1 << 33)
        }
        #expect(message.contains(name) && message.contains("larger than"), "\(message)")
    }

    @Test func nullsAreAbsent() async throws {
        let expected = try await read()
        for (name, keys) in [
            "config.json": ["dropout", "rope_theta", "num_key_value_heads", "rope_scaling", "quantization_config"],
            "generation_config.json": ["top_k", "max_new_tokens", "stop_strings", "bad_words_ids"],
            "preprocessor_config.json": ["size", "do_rescale", "rescale_factor", "resample", "do_normalize"],
            "processor_config.json": ["image_processor", "chat_template"],
            "tokenizer_config.json": ["chat_template", "extra_special_tokens", "mask_token", "padding_side"],
            "special_tokens_map.json": ["mask_token", "extra_special_tokens"],
        ] {
            let original = name == "processor_config.json" ? "{}" : try text(name)
            let nulls = keys.map { "\"\($0)\": null" }.joined(separator: ", ")
            let comma = original.contains(":") ? "," : ""
            let body = original.drop { $0 != "{" }.dropFirst()
            // Of several keys of one name the last counts, which is the fixture's own.
            try folder.write(Array("{\(nulls)\(comma)\(body)".utf8), name)
            #expect(try await read() == expected, "\(name)")
        }
    }

    @Test func brokenFilesSayWhere() async throws {
        for name in ["config.json", "generation_config.json", "preprocessor_config.json", "tokenizer_config.json"] {
            let original = try text(name)
            try folder.write(Array("{\n 'a': 1}".utf8), name)
            await #expect { try await read() } throws: {
                "\($0)".contains(name) && "\($0)".contains("line 2, column 2")
            }
            try folder.write(Array(original.utf8), name)
        }
    }

    @Test func transformers5SavesTheImageProcessorInTheProcessor() throws {
        let json =
            #"{"image_processor": {"image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0], "image_size": 42,"#
            + #" "resample": 3, "size": {"height": 42, "width": 42}}, "processor_class": "IdeficsProcessor"}"#
        try folder.write(Array(json.utf8), "processor_config.json")
        for _ in 0..<2 {
            let processor = try files.imageProcessor()
            #expect(processor.imageSize == 42 && processor.imageMean == [0, 0, 0] && processor.imageStd == [1, 1, 1])
            try? FileManager.default.removeItem(at: folder.url.appending(path: "preprocessor_config.json"))
        }
        try folder.write(Array(#"{"processor_class": "IdeficsProcessor"}"#.utf8), "processor_config.json")
        #expect(try files.imageProcessor().imageSize == 56)
    }

    @Test func tokensTheModelDoesNotHaveAreNotThere() throws {
        let config = try files.config()
        try folder.write(
            Array(#"{"eos_token_id": [-1, 2, 503], "pad_token_id": -1, "bos_token_id": 700}"#.utf8),
            "generation_config.json"
        )
        let generation = try files.generationConfig(for: config)
        #expect(generation.eosTokenId == [2] && generation.padTokenId == 0 && generation.bosTokenId == 1)
    }

    @Test func methodsOfOtherToolsAreNamedWhereWeightsDoNotFit() throws {
        let original = try text("config.json")
        let quantized = #"{"quantization_config": {"quant_method": "aqlm"},"# + original.dropFirst()
        try folder.write(Array(quantized.utf8), "config.json")
        // Weights that fit are dense, whatever the configuration still says.
        _ = try files.model(files.config())
        try folder.write(
            Array(quantized.replacing("\"intermediate_size\": 48", with: "\"intermediate_size\": 40").utf8),
            "config.json"
        )
        #expect { try files.model(files.config()) } throws: {
            "\($0)".contains("quantization_config.quant_method") && "\($0)".contains("aqlm")
        }
    }
}
