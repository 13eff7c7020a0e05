// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor

/// Stores a model with fewer bits for each weight, as a directory that is mapped as it lies.
///
/// Weights stream through one at a time, so that any model is quantized in the memory of its largest matrix. A run that
/// was stopped goes on after the last shard it finished; the directory appears when it is complete. With a calibration
/// text the decoder's matrices are rounded with the inputs they get; see `CalibratedDecoder`.
public struct ModelQuantization: Sendable {
    /// The model that is quantized.
    public let config: IdeficsConfig

    private let source: ModelFiles
    private let checkpoint: Checkpoint
    private let options: QuantizationOptions
    private let calibration: Calibration?
    private let model: IdeficsModel
    /// Pieces of the calibration text; empty without one.
    private let windows: [[Int]]
    private let plan: CheckpointPlan<Parameter>

    /// One parameter and what becomes of it.
    private struct Parameter {
        let name: String
        let shape: [Int]
        /// nil: it is copied.
        let format: QuantizedTensor.Format?
        /// Whether its scales are quantized once more.
        let isDouble: Bool

        /// The block of the decoder whose matrices are rounded together when there is a calibration text.
        let block: BlockName?
    }

    /// Opens the model in `directory` and checks that it is whole and not quantized yet.
    ///
    /// - Parameters:
    ///   - directory: a checkpoint with dense weights.
    ///   - options: which part becomes what.
    ///   - calibration: a text that the rounding of the decoder to `int4` and `int8` is adapted to; nil to round each
    ///     matrix by itself.
    ///   - shardByteCount: a file of weights takes no more bytes, unless one matrix alone does.
    /// - Throws: what reading or checking the files throws; each names the file and the field.
    public init(
        directory: URL,
        options: QuantizationOptions,
        calibration: Calibration? = nil,
        shardByteCount: Int = 1_000_000_000
    ) throws {
        source = ModelFiles(directory: directory)
        config = try source.config()
        checkpoint = try Checkpoint(directory: directory)
        self.options = options
        self.calibration = calibration
        model = try source.model(config).model
        windows = try calibration?.windows(source) ?? []
        let config = config
        let checkpoint = checkpoint
        let parameters = IdeficsModel.parameters(of: config)
        let places = Dictionary(uniqueKeysWithValues: model.decoder.blocks.enumerated().map { ($1.name, $0) })
        try options.checkKept(among: parameters.filter(\.isWeight).map(\.name))
        let entries = try parameters.map { parameter in
            guard let metadata = checkpoint.metadata(named: parameter.name), let dtype = metadata.dtype.dtype,
                dtype.isWeight
            else {
                throw IdeficsError.model(path: directory.path, reason: "\(parameter.name) is quantized already")
            }
            let name = ParameterName(parameter.name)
            let format = parameter.isWeight ? options.format(of: parameter.name) : nil
            let isDouble = format == .nf4 && options.usesDoubleQuant
            return CheckpointPlan.Entry(
                Parameter(
                    name: parameter.name,
                    shape: parameter.shape,
                    format: format,
                    isDouble: isDouble,
                    block: places[name.block] == nil ? nil : name.block
                ),
                parameter.declarations(format: format, dtype: dtype, isDouble: isDouble)
            )
        }
        // Blocks in the order they are run: what one is rounded to changes the inputs of the next.
        let place = { (entry: CheckpointPlan<Parameter>.Entry) in entry.source.block.flatMap { places[$0] } ?? -1 }
        plan = CheckpointPlan(
            calibration == nil
                ? entries
                : entries.enumerated().sorted { (place($0.element), $0.offset) < (place($1.element), $1.offset) }
                    .map(\.element),
            shardByteCount: shardByteCount
        )
        if let wrong = windows.joined().first(where: { $0 < 0 || $0 >= config.totalVocabSize }) {
            throw IdeficsError.input(field: "calibration", reason: "token id \(wrong) is not in the model's vocabulary")
        }
    }

    /// Bytes of the weights as they will be.
    public var byteCount: Int { plan.byteCount }

    /// Writes the quantized model.
    ///
    /// - Parameters:
    ///   - directory: where it is to be.
    ///   - replacesExisting: whether what is there may be replaced.
    ///   - progress: reports how many bytes of `byteCount` are done.
    /// - Returns: what was lost, tensor by tensor, also written as `quantization_report.json`.
    /// - Throws: `FileError` when something cannot be written, `CheckpointError` when it cannot be read; what was done is kept for the next run.
    @discardableResult
    public func write(
        to directory: URL,
        replacesExisting: Bool = false,
        progress: (_ byteCount: Int) -> Void = { _ in }
    ) throws -> QuantizationReport {
        try write(to: directory, replacesExisting: replacesExisting, notes: [:], progress: progress)
    }

    /// Writes the quantized model, and `notes` as files beside it.
    @discardableResult
    func write(
        to directory: URL,
        replacesExisting: Bool,
        notes: [String: Data],
        progress: (_ byteCount: Int) -> Void
    ) throws -> QuantizationReport {
        try source.checkOtherFiles()
        let staged = try StagedDirectory(
            directory,
            replacesExisting: replacesExisting,
            keeping: [source.directory],
            resuming: identity
        )
        var decoder: CalibratedDecoder?
        var block: BlockName?
        var rounded: [String: QuantizedTensor] = [:]
        try plan.write(
            to: staged.url,
            keepsFinishedShards: true,
            before: { entry, writer in
                guard !windows.isEmpty, let next = entry.source.block, next != block else { return }
                block = next
                if decoder == nil { decoder = calibratedDecoder(writer) }
                rounded = try decoder?.round(next) ?? [:]
            },
            progress: progress,
            tensors: { try tensors($0, rounded[$0.name]) }
        )
        let report = try verify(staged.url)
        try copyOtherFiles(to: staged)
        try staged.write(report.json, to: "quantization_report.json")
        for (name, data) in notes { try staged.write(data, to: name) }
        try staged.commit()
        return report
    }

    /// The decoder at its first layer.
    ///
    /// What an earlier run has written it does not round again.
    private func calibratedDecoder(_ writer: CheckpointWriter) -> CalibratedDecoder {
        CalibratedDecoder(model, windows: windows, format: options.format(of:)) { name, shape in
            guard let format = options.format(of: name) else { return nil }
            let names = (codes: Weights.codesName(name, format), scales: Weights.scalesName(name))
            guard !writer.needs(names.codes), !writer.needs(names.scales) else { return nil }
            return QuantizedTensor(
                format: format,
                shape: shape,
                codes: try writer.finishedTensor(names.codes),
                scales: try writer.finishedTensor(names.scales)
            )
        }
    }

    private func tensors(_ parameter: Parameter, _ rounded: QuantizedTensor?) throws -> [Tensor] {
        let values = try checkpoint.tensor(named: parameter.name)
        guard let quantized = rounded ?? parameter.format.map({ QuantizedTensor(values, format: $0) }) else {
            return [values]
        }
        return parameter.isDouble
            ? NestedNF4(quantized, dtype: values.dtype).tensors : [quantized.codes, quantized.scales]
    }

    /// Compares what lies in `directory` now with the source.
    ///
    /// - Throws: `IdeficsError.model` for a matrix that cannot be quantized because it holds infinities or NaN.
    private func verify(_ directory: URL) throws -> QuantizationReport {
        var report = QuantizationReport()
        let written = Weights(try Checkpoint(directory: directory))
        report.byteCount = byteCount
        for entry in plan.entries {
            let tensor = entry.source
            let values = try checkpoint.tensor(named: tensor.name)
            report.sourceByteCount += values.byteCount
            guard let format = tensor.format,
                case .quantized(let quantized, _) = written.weight(tensor.name, shape: tensor.shape)
            else { continue }
            let error = quantized.error(from: values)
            guard error.relative.isFinite else {
                throw IdeficsError.model(path: checkpoint.url.path, reason: "\(tensor.name) holds infinities or NaN")
            }
            report.entries.append(
                QuantizationReport.Entry(
                    name: tensor.name,
                    format: format.rawValue,
                    relativeError: error.relative,
                    largestError: error.largest,
                    elementCount: values.count,
                    byteCount: entry.byteCount
                )
            )
        }
        return report
    }

    // MARK: - Other files

    private func copyOtherFiles(to staged: StagedDirectory) throws {
        try source.copyOtherFiles(to: staged, withConfig: false)
        try staged.write(configWithQuantization(), to: "config.json")
    }

    /// The source's `config.json` with what was done, in the place where transformers looks for it, so that programs that
    /// do not know the format say so.
    private func configWithQuantization() throws -> Data {
        let url = source.directory.appending(path: "config.json")
        let formats = options.formats.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { "\"\($0.key.rawValue)\": \"\($0.value.rawValue)\"" }.joined(separator: ", ")
        let json = try Files.readRegular(url, limit: configurationLimit)
        let text = try editedJSON(Array(json), file: url.path, removing: []) { _ in
            [
                (
                    "quantization_config",
                    bitsandbytesConfig ?? "{\"quant_method\": \"idefics\", \"group_size\": 64, \(formats)}"
                )
            ]
        }
        return Data(text.utf8)
    }

    /// The configuration of a checkpoint that bitsandbytes reads: `nf4` with nested scales, or matrices as they were; nil
    /// for all others.
    private var bitsandbytesConfig: String? {
        let matrices = plan.entries.map(\.source).filter { $0.format != nil }
        guard options.usesDoubleQuant, matrices.allSatisfy(\.isDouble), options.formats[.embeddings] == nil,
            options.formats[.head] == nil
        else { return nil }
        let kept = [QuantizationOptions.Part.vision: "vision_model", .resampler: "perceiver_resampler"]
            .filter { options.formats[$0.key] == nil }.values.sorted()
        let skipped = (["lm_head", "embed_tokens"] + kept).map { "\"\($0)\"" }.joined(separator: ", ")
        let types: [DType: String] = [.bf16: "bfloat16", .f16: "float16"]
        let dtype = matrices.first.flatMap { checkpoint.metadata(named: $0.name)?.dtype.dtype } ?? .f32
        return """
            {"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4", \
            "bnb_4bit_use_double_quant": true, "bnb_4bit_compute_dtype": "\(types[dtype] ?? "float32")", \
            "llm_int8_skip_modules": [\(skipped)]}
            """
    }

    /// Files of weights that are read.
    var weightFileNames: [String] { checkpoint.weightFileNames }

    /// What decides the weights: the source's, its configuration and the options.
    package var identity: String {
        let files = checkpoint.weightFileNames.map { fileIdentity(source.directory.appending(path: $0)) }
        let formats = options.formats.map { "\($0.key.rawValue) \($0.value.rawValue)" }.sorted()
        var lines = ["idefics quantize 2", "\(plan.shardByteCount)"] + formats + files
        lines.append(contentIdentity(source.directory.appending(path: "config.json")))
        if options.usesDoubleQuant { lines.append("double quant 1") }
        if !options.keptInInt8.isEmpty { lines.append("int8: \(options.keptInInt8.joined(separator: " "))") }
        if calibration != nil {
            let tokens = windows.map { $0.map(String.init).joined(separator: " ") }.joined(separator: "\n")
            lines.append("calibration 1: \(stableHash(tokens))")
        }
        return lines.joined(separator: "\n")
    }
}

extension QuantizedTensor {
    /// How far the values are from `original`, which has the same shape: √(Σ d² / Σ original²) and the largest |d|.
    func error(from original: Tensor) -> (relative: Double, largest: Double) {
        let rows = shape[0]
        // Rows at a time: floats of whole matrices would be many times the size of the codes.
        let step = max(64, (4 << 20) / max(shape[1], 1) / 64 * 64)
        var (squares, total, largest) = (0.0, 0.0, 0.0)
        for start in stride(from: 0, to: rows, by: step) {
            let range = start..<min(start + step, rows)
            self[range].dequantized().toHost().withFloats { found in
                cast(original[range]).toHost().withFloats { expected in
                    for (a, b) in zip(found, expected) {
                        let difference = Double(a - b)
                        squares += difference * difference
                        total += Double(b) * Double(b)
                        largest = max(largest, abs(difference))
                    }
                }
            }
        }
        return (total > 0 ? (squares / total).squareRoot() : squares.squareRoot(), largest)
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
