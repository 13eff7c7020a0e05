// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

// What a run writes and what it finds: only its own results are replaced.

extension RunFolder {
    /// What the run knows of itself: the mark of a run folder.
    private struct Record: Codable {
        /// Contents of the results it wrote, or was about to write.
        var results: [FolderIdentity] = []
    }

    private var record: URL { url.appending(path: ".idefics-run.json") }

    /// Checks what lies in the folder before the first step.
    ///
    /// - Parameters:
    ///   - resultName: what the run's result will be called.
    ///   - isResuming: whether what is there may be the run's own.
    /// - Throws: `TrainingError.run` for what would be replaced, or taken for the run's, but is not.
    func checkContents(resultName: String, isResuming: Bool) throws {
        let hasCheckpoints = !checkpointSteps().isEmpty
        let isRun = hasCheckpoints || Files.exists(record)
        guard isResuming || !hasCheckpoints else {
            throw TrainingError.run(
                path: url.path,
                reason: "has checkpoints already; resume the run or give another folder"
            )
        }
        try checkResult(resultName, mayBeOwn: isResuming)
        // A run that was killed before its first checkpoint leaves them, too.
        for name in ["metrics.jsonl", "loss.svg"] where !(isResuming && isRun) {
            let path = url.appending(path: name).path
            guard let size = Files.status(path)?.st_size, size > 0 else { continue }
            throw TrainingError.run(
                path: path,
                reason: isRun
                    ? "is of an earlier run; resume that, move the file away or give another folder"
                    : "was not made by a run and would be replaced; move it away or give another folder"
            )
        }
    }

    /// Makes the folder known as that of a run.
    func mark() throws {
        if !Files.exists(record) { try write(Record()) }
    }

    /// Whether the run may write its result: nothing is there, or something it wrote itself and nobody has touched since.
    private func checkResult(_ name: String, mayBeOwn: Bool) throws {
        let place = url.appending(path: name)
        guard Files.status(place.path, followsLinks: false) != nil else { return }
        if Files.isFolder(place.path), Files.destination(ofLink: place.path) == nil {
            if try Files.names(in: place.path).isEmpty { return }
            if mayBeOwn, let identity = try? FolderIdentity(place), readRecord().results.contains(identity) { return }
        }
        throw TrainingError.run(
            path: place.path,
            reason:
                "is not, or no longer, a result of this run, which would replace it; move it away or give another run "
                + "folder"
        )
    }

    /// Writes the run's result, in the place of one it wrote before.
    ///
    /// - Parameters:
    ///   - name: what it is called.
    ///   - write: fills it.
    /// - Returns: where it is.
    /// - Throws: `TrainingError.run` when something else is there; what writing throws.
    func export(as name: String, _ write: (StagedDirectory) throws -> Void) throws -> URL {
        try checkResult(name, mayBeOwn: true)
        let place = url.appending(path: name, directoryHint: .isDirectory)
        let staged = try StagedDirectory(place, replacesExisting: true)
        try write(staged)
        // Noted first: a run killed in between finds its result, or none, but never one it does not know.
        var record = readRecord()
        record.results = record.results.suffix(1) + [try FolderIdentity(staged.url)]
        // One that cannot be noted (a full disk) is worth more than the note; the run will not replace it.
        try? self.write(record)
        try staged.commit()
        return place
    }

    private func readRecord() -> Record {
        (try? Files.read(record)).flatMap { try? JSONReader.decode(Record.self, from: $0, file: record.path) }
            ?? Record()
    }

    private func write(_ record: Record) throws {
        do {
            try AtomicFile.write(JSONEncoder().encode(record), to: self.record)
        } catch {
            throw TrainingError.run(path: url.path, reason: "cannot be written: \(error)")
        }
    }

    /// Makes sure that the folder is not the model's own, and that what the run writes is not what it reads.
    ///
    /// - Parameters:
    ///   - resultName: what the run's result will be called.
    ///   - sources: the model, and the adapter that is trained further.
    /// - Throws: `TrainingError.run`.
    func checkApart(resultName: String, from sources: [URL]) throws {
        func real(_ url: URL) -> String { Files.realPath(url.path) ?? url.standardizedFileURL.path }
        let result = real(url.appending(path: resultName))
        for source in sources.map(real) {
            guard source != real(url) else {
                throw TrainingError.run(
                    path: url.path,
                    reason: "holds the model that is trained; a run needs a folder of its own"
                )
            }
            guard source != result, !source.hasPrefix("\(result)/") else {
                throw TrainingError.run(
                    path: url.path,
                    reason: "its result \(resultName)/ would replace what is trained; give another run folder"
                )
            }
        }
    }
}

extension TrainingRecipe {
    /// What the result of a run is called.
    var resultName: String { lora == nil ? "model" : "adapter" }
}

/// Tells whether a folder holds what it held, by names, sizes and samples of its files.
struct FolderIdentity: Equatable, Codable {
    private let files: [String: ModelIdentity.File]

    /// Looks at the folder at `url`; names that begin with a dot are the system's.
    init(_ url: URL) throws {
        let names = try Files.names(in: url.path).filter { !$0.hasPrefix(".") }
        files = try Dictionary(
            uniqueKeysWithValues: names.map { ($0, try ModelIdentity.File(sampling: url.appending(path: $0))) }
        )
    }
}
