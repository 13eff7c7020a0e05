// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsCheckpoints
import IdeficsTensor

/// Stores a model with fewer bits for each weight, as a directory that is mapped as it lies.
///
/// Weights stream through one at a time, so that any model is quantised in the memory of its largest matrix. A run that
/// was stopped goes on behind the last shard it finished; the directory appears when it is complete.
public struct ModelQuantization: Sendable {
    /// The model that is quantised.
    public let config: IdeficsConfig

    private let source: ModelFiles
    private let checkpoint: Checkpoint
    private let options: QuantizationOptions
    private let shardByteCount: Int
    private let plan: [PlannedTensor]

    /// One parameter and what becomes of it.
    private struct PlannedTensor {
        let name: String
        let shape: [Int]
        /// nil: it is copied.
        let format: QuantizedTensor.Format?
        let declarations: [SafetensorsWriter.Declaration]
    }

    /// Opens the model in `directory` and checks that it is whole and not quantised yet.
    ///
    /// - Parameters:
    ///   - directory: a checkpoint with dense weights.
    ///   - options: which part becomes what.
    ///   - shardByteCount: a file of weights takes no more bytes, unless one matrix alone does.
    /// - Throws: what reading or checking the files throws; each names the file and the field.
    public init(
        directory: URL,
        options: QuantizationOptions,
        shardByteCount: Int = 1_000_000_000
    ) throws {
        source = ModelFiles(directory: directory)
        config = try source.config()
        checkpoint = try Checkpoint(directory: directory)
        self.options = options
        self.shardByteCount = shardByteCount
        _ = try source.model(config)
        let config = config
        let checkpoint = checkpoint
        plan = try Weights.listing { _ = IdeficsModel(config, $0) }.map { parameter in
            guard let metadata = checkpoint.metadata(named: parameter.name), let dtype = metadata.dtype.dtype,
                dtype.isWeight
            else {
                throw IdeficsError.model(path: directory.path, reason: "\(parameter.name) is quantised already")
            }
            let format = parameter.isWeight ? options.format(of: parameter.name) : nil
            return PlannedTensor(
                name: parameter.name,
                shape: parameter.shape,
                format: format,
                declarations: Self.declarations(parameter, format: format, dtype: dtype)
            )
        }
    }

    private static func declarations(
        _ parameter: Weights.Parameter,
        format: QuantizedTensor.Format?,
        dtype: DType
    ) -> [SafetensorsWriter.Declaration] {
        guard let format else { return [.init(name: parameter.name, dtype: dtype, shape: parameter.shape)] }
        return [
            .init(
                name: Weights.codesName(parameter.name, format),
                dtype: .u8,
                shape: [QuantizedTensor.codeByteCount(format, shape: parameter.shape)]
            ),
            .init(
                name: Weights.scalesName(parameter.name),
                dtype: QuantizedTensor.scaleType(format),
                shape: [QuantizedTensor.scaleCount(format, shape: parameter.shape)]
            ),
        ]
    }

    /// Bytes of the weights as they will be.
    public var byteCount: Int {
        plan.reduce(0) { sum, tensor in
            tensor.declarations.reduce(sum) { $0 + $1.shape.reduce($1.dtype.byteCount, *) }
        }
    }

    /// Writes the quantised model.
    ///
    /// - Parameters:
    ///   - directory: where it is to be.
    ///   - replacesExisting: whether what is there may be replaced.
    ///   - progress: hears how many bytes of `byteCount` are done.
    /// - Returns: what was lost, tensor by tensor, also written as `quantization_report.json`.
    /// - Throws: `CheckpointError` when something cannot be read or written; what was done is kept for the next run.
    @discardableResult
    public func write(
        to directory: URL,
        replacesExisting: Bool = false,
        progress: (_ byteCount: Int) -> Void = { _ in }
    ) throws -> QuantizationReport {
        let staged = try StagedDirectory(directory, replacesExisting: replacesExisting, resuming: identity)
        let writer = try CheckpointWriter(
            staged.url,
            tensors: plan.flatMap(\.declarations),
            shardByteCount: shardByteCount,
            keepsFinishedShards: true
        )
        var report = try QuantizationReport(entries: staged.notes(QuantizationReport.Entry.self))
        var written = 0
        for tensor in plan {
            if tensor.declarations.contains(where: { writer.needs($0.name) }) {
                if let entry = try write(tensor, to: writer) {
                    report.entries.removeAll { $0.name == entry.name }
                    report.entries.append(entry)
                    try staged.note(entry)
                }
            }
            written += tensor.declarations.reduce(0) { $0 + $1.shape.reduce($1.dtype.byteCount, *) }
            progress(written)
        }
        try writer.finish()
        report.sourceByteCount = plan.reduce(0) { $0 + (checkpoint.metadata(named: $1.name)?.byteCount ?? 0) }
        report.byteCount = byteCount
        try copyOtherFiles(to: staged)
        try staged.write(report.json, to: "quantization_report.json")
        try staged.commit()
        return report
    }

    /// Writes one parameter; for a quantised one, reads its values back and says what was lost.
    private func write(_ tensor: PlannedTensor, to writer: CheckpointWriter) throws -> QuantizationReport.Entry? {
        let values = try checkpoint.tensor(named: tensor.name)
        guard let format = tensor.format else {
            try writer.write(values, named: tensor.name)
            return nil
        }
        let quantized = QuantizedTensor(values, format: format)
        try writer.write(quantized.codes, named: tensor.declarations[0].name)
        try writer.write(quantized.scales, named: tensor.declarations[1].name)
        let error = quantized.error(from: values)
        guard error.relative.isFinite else {
            throw IdeficsError.model(path: checkpoint.url.path, reason: "\(tensor.name) holds infinities or NaN")
        }
        return QuantizationReport.Entry(
            name: tensor.name,
            format: format.rawValue,
            relativeError: error.relative,
            largestError: error.largest
        )
    }
}

extension QuantizationReport {
    fileprivate var json: Data {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            return try encoder.encode(self)
        }
    }
}
