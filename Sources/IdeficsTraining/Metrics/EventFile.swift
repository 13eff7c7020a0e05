// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsFoundation

/// TensorBoard's event file: records of TFRecord framing, each an `Event` message of protocol buffers.
///
/// Format: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto; framing as in TensorFlow's guide
/// "TFRecord and tf.train.Example": length (8 bytes, little-endian), its masked CRC-32C, data, its masked CRC-32C.
package final class EventFile: MetricsSink {
    private let file: RecordFile

    /// Begins a file of events in `folder`; curves of earlier files beyond `step` are cut off there.
    ///
    /// - Throws: what creating the file throws.
    package init(folder: URL, step: Int) throws {
        let seconds = Int(Date().timeIntervalSince1970)
        // TensorBoard reads the files of a folder in the order of their names.
        let name = "events.out.tfevents.\(seconds).idefics.\(ProcessInfo.processInfo.processIdentifier).\(step)"
        let url = folder.appending(path: name)
        file = try RecordFile(url)
        // On a full disk they are written with the first event there is room for.
        try? append(Self.event(step: nil) { $0.string(3, "brain.Event:2") })
        if step > 0 {
            // SessionLog with status START: what was logged for later steps did not happen.
            try? append(Self.event(step: step) { $0.message(7) { $0.integer(1, 1) } })
        }
    }

    /// Adds a point to each curve.
    package func add(_ line: StepMetrics) throws {
        var scalars: [(tag: String, value: Double)] = [
            ("train/loss", line.loss), ("train/z_loss", line.zLoss), ("train/grad_norm", line.gradNorm),
            ("train/learning_rate", line.learningRate), ("train/epoch", line.epoch),
            ("train/tokens", Double(line.tokens)), ("train/images", Double(line.images)),
            ("train/padding_share", line.paddingShare), ("train/tokens_per_second", line.tokensPerSecond),
            ("train/model_flops_utilization", line.modelFlopsUtilization),
            ("train/skipped_steps", Double(line.skippedSteps)),
        ]
        if let loss = line.evalLoss { scalars.append(("eval/loss", loss)) }
        if let accuracy = line.evalAccuracy { scalars.append(("eval/accuracy", accuracy)) }
        try add(step: line.step, scalars)
    }

    /// Adds one point to each of the curves named.
    package func add(step: Int, _ scalars: [(tag: String, value: Double)]) throws {
        try append(
            Self.event(step: step) { event in
                event.message(5) { summary in
                    for scalar in scalars {
                        summary.message(1) { value in
                            value.string(1, scalar.tag)
                            value.float(2, Float(scalar.value))
                        }
                    }
                }
            }
        )
    }

    /// Adds a text to the tab TEXT.
    package func add(step: Int, tag: String, text: String) throws {
        try append(
            Self.event(step: step) { event in
                event.message(5) { summary in
                    summary.message(1) { value in
                        value.string(1, tag)
                        value.message(9) { metadata in
                            metadata.message(1) { $0.string(1, "text") }
                        }
                        value.message(8) { tensor in
                            tensor.integer(1, 7)  // DT_STRING
                            tensor.message(2) { shape in
                                shape.message(2) { $0.integer(1, 1) }
                            }
                            tensor.string(8, text)
                        }
                    }
                }
            }
        )
    }

    private func append(_ event: [UInt8]) throws {
        try file.append(Self.record(event))
    }

    private static func event(step: Int?, _ what: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var event = ProtobufWriter()
        event.double(1, Date().timeIntervalSince1970)
        if let step { event.integer(2, step) }
        what(&event)
        return event.bytes
    }

    /// The checksum as TFRecord stores it: rotated and moved, so that checksums of data with checksums stay good.
    package static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        let value = CRC32.checksum(bytes, .castagnoli)
        return (value >> 15 | value << 17) &+ 0xA282_EAD8
    }

    /// `data` as a record.
    package static func record(_ data: [UInt8]) -> [UInt8] {
        let length = withUnsafeBytes(of: UInt64(data.count).littleEndian, Array.init)
        func checksum(_ bytes: [UInt8]) -> [UInt8] {
            withUnsafeBytes(of: maskedChecksum(bytes).littleEndian, Array.init)
        }
        return length + checksum(length) + data + checksum(data)
    }
}
