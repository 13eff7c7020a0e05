// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation
import IdeficsTensor

/// A quantized copy of a model, made once and kept in the application's cache.
///
/// A process that needs a copy which another one is making waits for it. One that was killed is gone on with.
///
/// - Parameters:
///   - directory: a checkpoint with dense weights.
///   - options: which part becomes what.
///   - source: what the user calls the model; nil for its directory.
///   - cache: where copies are kept, in `quantized/`; `QuantizedCopies` lists and removes them.
///   - onWait: called once if another process is making the copy.
///   - progress: reports how many bytes of how many are written, when the copy has to be made.
/// - Returns: the directory of the copy. It is another one when a file of the source, its weights or a small one, or an
///   option changes.
/// - Throws: what quantizing throws.
public func quantizedCopy(
    of directory: URL,
    options: QuantizationOptions,
    source: String? = nil,
    cache: ApplicationCache = ApplicationCache(),
    onWait: () -> Void = {},
    progress: (_ byteCount: Int, _ total: Int) -> Void = { _, _ in }
) throws -> URL {
    let quantization = try ModelQuantization(directory: directory, options: options)
    let record = QuantizedCopyRecord(
        source: source ?? directory.path,
        directory: Files.realPath(directory.path) ?? directory.path,
        format: options.formats[.text]?.rawValue ?? "",
        weightFiles: quantization.weightFileNames,
        options: quantization.identity
    )
    let hash = String(stableHash(record.identity), radix: 16)
    let folder = cache.quantizedCopiesDirectory
    let name = "\(directory.standardizedFileURL.lastPathComponent)-\(hash)"
    let place = folder.appending(path: name, directoryHint: .isDirectory)
    func isThere() -> Bool {
        QuantizedCopyRecord(of: place)?.identity == record.identity
            && Files.size(place.appending(path: "config.json").path) != nil
    }
    if !isThere() {
        try Files.makeFolder(folder.path)
        let lock = try FileLock.wait(for: QuantizedCopies.lock(of: place), onWait: onWait)
        defer { withExtendedLifetime(lock) {} }
        // Whoever held the lock before may have made it.
        if !isThere() {
            let total = quantization.byteCount
            // A copy of this program that somebody took files out of is made again; a folder that is none stays.
            do {
                try quantization.write(
                    to: place,
                    replacesExisting: QuantizedCopyRecord(of: place) != nil,
                    notes: [QuantizedCopyRecord.fileName: record.json()]
                ) { progress($0, total) }
            } catch {
                // Where there are no locks, another process may have been first.
                guard !lock.isExclusive, isThere() else { throw error }
            }
        }
    }
    Files.touch(place.appending(path: QuantizedCopyRecord.fileName).path)
    return place
}

/// What a copy is of; in the copy, which it marks as one of this program.
///
/// Its date is that of the last use.
struct QuantizedCopyRecord: Codable, Equatable {
    static let fileName = "idefics_copy.json"

    /// What the user called the model.
    let source: String
    /// Where its files are.
    let directory: String
    /// How the decoder is stored.
    let format: String
    let weightFiles: [String]
    /// What decides the weights.
    let options: String
    /// All that decides the copy.
    let identity: String
    /// The source's files as they were.
    let files: [String]

    init(source: String, directory: String, format: String, weightFiles: [String], options: String) {
        self.source = source
        self.directory = directory
        self.format = format
        self.weightFiles = weightFiles
        self.options = options
        files = Self.files(of: directory, weightFiles: weightFiles)
        identity = ([options] + files).joined(separator: "\n")
    }

    /// The record in the copy at `place`; nil if nothing of this program is there.
    init?(of place: URL) {
        guard let data = try? Files.readIfPresent(place.appending(path: Self.fileName).path, limit: 16 << 20),
            let record = try? JSONReader.decode(Self.self, from: data, file: Self.fileName)
        else { return nil }
        self = record
    }

    /// Whether the source's files are what they were.
    var isCurrent: Bool { files == Self.files(of: directory, weightFiles: weightFiles) }

    private static func files(of directory: String, weightFiles: [String]) -> [String] {
        let url = URL(localPath: directory, isDirectory: true)
        return weightFiles.map { fileIdentity(url.appending(path: $0)) } + ModelFiles(directory: url).otherFilesIdentity
    }

    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}
