// Quantize a model to 4 bits: swift run Quantize MODEL OUTPUT
//
// One matrix is in memory at a time. The result is a model like any other, memory-mapped without repacking.

import Foundation
import Idefics

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    print("usage: Quantize MODEL OUTPUT")
    exit(64)
}

let output = URL(filePath: arguments[2], directoryHint: .isDirectory)
var options = QuantizationOptions(.int4)
options.formats[.vision] = .int8  // what 4 bits hurt most has 8; see docs/quantization.md
let quantization = try ModelQuantization(directory: await modelDirectory(of: arguments[1]), options: options)
let report = try quantization.write(to: output)
print("\(report.sourceByteCount) bytes became \(report.byteCount)")
if let worst = report.worst { print("largest relative error: \(worst.relativeError) (\(worst.name))") }

let model = try await Idefics.load(from: output.path)
print("loaded: \(model.config.numHiddenLayers) layers")
