// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Rounding with a calibration text.
@Suite struct CalibrationTests {
    let folder: TemporaryFolder
    let output: URL
    let text: String

    init() throws {
        folder = try TemporaryFolder()
        output = folder.url.appending(path: "model")
        text = try String(contentsOf: Fixtures.url("demo/text.txt"), encoding: .utf8)
    }

    private func quantization(
        _ format: QuantizedTensor.Format,
        calibrated: Bool,
        keptInInt8: [String] = [],
        shardByteCount: Int = 1 << 30
    ) throws -> ModelQuantization {
        var options = QuantizationOptions(formats: [.text: format])
        options.keptInInt8 = keptInInt8
        return try ModelQuantization(
            directory: Fixtures.url("f7-e2e"),
            options: options,
            calibration: calibrated ? Calibration(text: text, tokenCount: 600, context: 200) : nil,
            shardByteCount: shardByteCount
        )
    }

    /// How far the quantised model is from the original on the calibration text.
    private func divergence() async throws -> Double {
        let container = try ModelContainer(directory: output)
        let reference = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        return try await container.divergence(from: reference, on: text, context: 200).meanDivergence
    }

    @Test(arguments: [QuantizedTensor.Format.int4, .int8])
    func calibratedModelsAreNearerToTheOriginal(format: QuantizedTensor.Format) async throws {
        let plainReport = try quantization(format, calibrated: false).write(to: output)
        let plain = try await divergence()
        let report = try quantization(format, calibrated: true).write(to: output, replacesExisting: true)
        let calibrated = try await divergence()
        print("\(format): divergence \(plain) plain, \(calibrated) calibrated")
        #expect(calibrated < 0.8 * plain)
        // The same matrices in another order; what lies nearest to the weights is not what lies nearest to the outputs.
        #expect(Set(report.entries.map(\.name)) == Set(plainReport.entries.map(\.name)))
        #expect(report.byteCount == plainReport.byteCount)
        let name = "model.layers.0.mlp.up_proj.weight"
        let errors = [plainReport, report].compactMap { $0.entries.first { $0.name == name }?.relativeError }
        #expect(errors.count == 2 && errors[0] < errors[1])
        let bits = try #require(report.bitsPerWeight(.text))
        #expect(bits == plainReport.bitsPerWeight(.text) && bits > (format == .int4 ? 4.2 : 8.2))
    }

    @Test func keptMatricesTakeEightBits() async throws {
        try quantization(.int4, calibrated: true).write(to: output)
        let all = try await divergence()
        let report = try quantization(
            .int4,
            calibrated: true,
            keptInInt8: ["down_proj", "layers.0", "*_cross_*.k_proj"]
        )
        .write(to: output, replacesExisting: true)
        let formats = Dictionary(uniqueKeysWithValues: report.entries.map { ($0.name, $0.format) })
        #expect(formats["model.layers.0.self_attn.q_proj.weight"] == "int8")
        #expect(formats["model.layers.1.self_attn.q_proj.weight"] == "int4")
        #expect(formats["model.layers.1.mlp.down_proj.weight"] == "int8")
        #expect(formats["model.gated_cross_attn_layers.0.mlp.down_proj.weight"] == "int8")
        #expect(formats["model.gated_cross_attn_layers.0.cross_attn.q_proj.weight"] == "int4")
        #expect(formats["model.gated_cross_attn_layers.0.cross_attn.k_proj.weight"] == "int8")
        #expect(try await divergence() < all)
    }

    /// Bytes of the weights.
    private func contents() throws -> [Data] {
        try Checkpoint(directory: output).weightFileNames.map { try Data(contentsOf: output.appending(path: $0)) }
    }

    /// A run that stopped goes on with the matrices it has written, to the same bytes.
    @Test func aStoppedRunGoesOn() throws {
        let quantization = try quantization(.int4, calibrated: true, shardByteCount: 40_000)
        try quantization.write(to: output)
        let files = try Checkpoint(directory: output).weightFileNames
        let expected = try contents()
        try #require(files.count > 4)
        try FileManager.default.removeItem(at: output)

        do {
            let staged = try StagedDirectory(output, resuming: quantization.identity)
            let finished = files.count / 2
            for (name, content) in zip(files, expected).prefix(finished) {
                try content.write(to: staged.url.appending(path: name))
            }
        }
        try quantization.write(to: output)
        #expect(try contents() == expected)
        #expect(
            try self.quantization(.int4, calibrated: false, shardByteCount: 40_000).identity != quantization.identity
        )
    }

    @Test func whatCannotCalibrateIsNamed() throws {
        func error(_ fixture: String, _ calibration: Calibration) -> String {
            do {
                _ = try ModelQuantization(
                    directory: Fixtures.url(fixture),
                    options: QuantizationOptions(.int4),
                    calibration: calibration
                )
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(error("f1-resampler-qk", Calibration(text: "Some text.")).contains("tokenizer"))
        #expect(error("f7-e2e", Calibration(text: "")).contains("calibration"))
        #expect(error("f7-e2e", Calibration(text: "Some text.", tokenCount: 1)).contains("calibration"))
        #expect(error("f7-e2e", Calibration(text: "Some text.", tokenCount: 100)).isEmpty)
    }
}
