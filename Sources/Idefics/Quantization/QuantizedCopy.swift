// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

/// A quantised copy of a model, made once and kept in the application's cache.
///
/// - Parameters:
///   - directory: a checkpoint with dense weights.
///   - options: which part becomes what.
///   - cache: where copies are kept, in `quantized/`.
///   - progress: hears how many bytes of how many are written, when the copy has to be made.
/// - Returns: the directory of the copy. It is another one when the source's files or the options change.
/// - Throws: what quantising throws.
public func quantizedCopy(
    of directory: URL,
    options: QuantizationOptions,
    cache: ApplicationCache = ApplicationCache(),
    progress: (_ byteCount: Int, _ total: Int) -> Void = { _, _ in }
) throws -> URL {
    let quantization = try ModelQuantization(directory: directory, options: options)
    let hash = String(stableHash(quantization.identity), radix: 16)
    let name = "\(directory.standardizedFileURL.lastPathComponent)-\(hash)"
    let place = cache.directory.appending(path: "quantized").appending(path: name, directoryHint: .isDirectory)
    if Files.exists(place.appending(path: "config.json")) { return place }
    let total = quantization.byteCount
    try quantization.write(to: place) { progress($0, total) }
    return place
}
