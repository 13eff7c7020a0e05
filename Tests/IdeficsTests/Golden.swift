// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// One case of a fixture: the inputs and what transformers computed from them.
struct Golden {
    let file: SafetensorsFile
    /// Put before every name: `pad3.` in files of several cases.
    let prefix: String

    init(_ path: String, prefix: String = "") throws {
        file = try SafetensorsFile(Fixtures.url(path))
        self.prefix = prefix
    }

    func tensor(_ name: String) throws -> Tensor {
        try file.tensor(named: prefix + name)
    }

    func contains(_ name: String) -> Bool {
        file.contains(prefix + name)
    }

    /// `in.*` as a batch.
    func inputs() throws -> IdeficsInputs {
        IdeficsInputs(
            inputIds: try tensor("in.input_ids"),
            attentionMask: contains("in.attention_mask") ? try tensor("in.attention_mask") : nil,
            imageAttentionMask: try tensor("in.image_attention_mask"),
            images: .pixelValues(try tensor("in.pixel_values"))
        )
    }
}

/// The model of a fixture.
func fixtureModel(_ name: String) throws -> IdeficsModel {
    let files = ModelFiles(directory: Fixtures.url(name))
    let (model, unexpected, _) = try files.model(files.config())
    #expect(unexpected.isEmpty)
    return model
}

/// Rows of `[batch, tokens, width]` that are real tokens, one after the other.
func realRows(_ tensor: Tensor, _ inputs: IdeficsInputs) -> [Float] {
    let width = tensor.shape.last ?? 1
    let values = tensor.floatArray()
    let rows = tensor.count / width
    let mask = inputs.attentionMask?.intArray() ?? Array(repeating: 1, count: rows)
    return (0..<rows).filter { mask[$0] != 0 }.flatMap { values[$0 * width..<($0 + 1) * width] }
}
