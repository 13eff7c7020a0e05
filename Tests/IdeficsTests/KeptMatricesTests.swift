// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// `--keep-int8`: matrices that stay more precise than their part.
@Suite struct KeptMatricesTests {
    private func quantization(_ kept: [String]) throws -> ModelQuantization {
        var options = QuantizationOptions(.int4)
        options.keptInInt8 = kept
        return try ModelQuantization(directory: Fixtures.url("f1-resampler-qk"), options: options)
    }

    @Test func partsOfNamesAndPatternsKeepTheirBits() throws {
        let plain = try quantization([]).byteCount
        for kept in ["down_proj", "layers.0", "*_proj", "model.layers.0.mlp.up_proj", "l*y*r*s.*"] {
            #expect(try quantization([kept]).byteCount > plain, "\(kept)")
        }
    }

    @Test(arguments: [
        ("donw_proj", "no matrix"), ("layers.99", "no matrix"), ("vision_model", "do not take 4 bits"),
        (String(repeating: "*a", count: 5000), "no matrix"), ("down_proj\u{1B}[2J", "down_proj\\u{1b}[2J"),
    ])
    func whatChangesNothingIsRefused(_ pattern: String, _ reason: String) {
        #expect { try quantization(["down_proj", pattern]) } throws: {
            "\($0)".contains("keep-int8") && "\($0)".contains(reason)
        }
    }
}
