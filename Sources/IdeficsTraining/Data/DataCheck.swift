// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsImages

/// How far the images of a data set are looked at before a run begins; those by URL are never fetched for it.
public enum ImageCheck: Sendable {
    /// Whether files are there and begin as images do.
    case files
    /// Every file and `data:` URL is decoded.
    case decoded
}

/// Looks at every example of a file once, on all cores: what is read here need not be read again to begin a run.
///
/// Per example only its length is kept, so files of any size can be checked.
struct DataCheck: Sendable {
    let lines: ExampleFile.Lines
    let config: DataConfig
    let processor: IdeficsProcessor
    let images: ImageCheck

    /// What was found.
    struct Result: Sendable {
        /// The examples.
        let file: ExampleFile
        /// Tokens of each example of `file` as it is used; negative for those that cannot be learned from.
        let lengths: [Int32]
        /// The figures.
        let report: DataReport
        /// The first example, in the file's order, that no run can learn from.
        let firstProblem: TrainingError?
        /// The first one whose image cannot be had now; it may be there when a run comes to it.
        let firstImageProblem: TrainingError?
    }

    /// What is kept of an example.
    private struct Entry {
        /// Tokens before the cut, −1 where there are none.
        var length: Int32 = -1
        /// Whether the line is an example, if perhaps one that cannot be learned from.
        var isExample = true
        /// Whether only an image is in the way: the length counts all the same.
        var isLeftOut = false
    }

    /// What one task found in its part of the file.
    private struct Part {
        var report: DataReport
        var entries: [Entry] = []
        var bad: [Int: TrainingError] = [:]
        var problems: [(index: Int, problem: DataProblem, error: TrainingError)] = []
    }

    private static let partSize = 64
    /// Problems of one kind that are told one by one.
    private static let shownProblems = 10

    /// Looks at all examples.
    ///
    /// - Parameter progress: reports how many were looked at, of how many.
    /// - Returns: what was found.
    /// - Throws: `TrainingError.file` when the file cannot be read, or holds no example; `CancellationError`.
    @concurrent
    func run(progress: @escaping @Sendable (Int, Int) -> Void) async throws -> Result {
        let partCount = (lines.count + Self.partSize - 1) / Self.partSize
        let tasks = min(partCount, max(1, ProcessInfo.processInfo.activeProcessorCount))
        let done = Locked(0)
        var parts = [Part?](repeating: nil, count: partCount)
        try await withThrowingTaskGroup(of: (Int, Part).self) { group in
            var next = 0
            func add() {
                guard next < partCount else { return }
                let number = next
                next += 1
                group.addTask {
                    try Task.checkCancellation()
                    let range = number * Self.partSize..<min((number + 1) * Self.partSize, lines.count)
                    return (number, try await part(range))
                }
            }
            for _ in 0..<tasks { add() }
            while let (number, part) = try await group.next() {
                let count = done.withLock { done in
                    done += part.entries.count
                    return done
                }
                progress(count, lines.count)
                parts[number] = part
                add()
            }
        }
        return try result(parts.compactMap(\.self))
    }

    /// Looks at the examples `range`.
    private func part(_ range: Range<Int>) async throws -> Part {
        var part = Part(report: DataReport(file: lines.file.path, maxTokens: config.maxTokens))
        for index in range {
            var entry = Entry()
            do {
                let example: TrainingExample
                do {
                    example = try lines.example(index, config)
                } catch let problem as ExampleProblem {
                    entry.isExample = false
                    part.bad[index] = lines.error(index, problem.reason)
                    throw problem
                }
                let encoded = try EncodedExample(example, processor: processor, config: config)
                try encoded.checkTargets(config)
                entry.length = Int32(clamping: encoded.fullCount)
                try await look(at: encoded.images, &part.report)
                part.report.add(encoded)
            } catch let problem as ExampleProblem {
                part.problems.append((index, problem.kind, lines.error(index, problem.reason)))
                entry.isLeftOut = true
            }
            part.entries.append(entry)
        }
        return part
    }

    /// Looks at images.
    private func look(at sources: [ImageSource], _ report: inout DataReport) async throws {
        for source in sources {
            do {
                if source.isRemote {
                    report.unseenImages += 1
                } else if images == .decoded {
                    _ = try await source.load(limits: config.imageLimits)
                } else {
                    try source.check(limits: config.imageLimits)
                }
            } catch {
                throw ExampleProblem(config.reason(of: error), kind: .image)
            }
        }
    }

    private func result(_ parts: [Part]) throws -> Result {
        var report = DataReport(file: lines.file.path, maxTokens: config.maxTokens)
        var bad: [Int: TrainingError] = [:]
        var lengths: [Int32] = []
        var full: [Int32] = []
        var firstProblem: TrainingError?
        var firstImageProblem: TrainingError?
        for part in parts {
            report.add(part.report)
            bad.merge(part.bad) { $1 }
            for entry in part.entries {
                if entry.isExample { lengths.append(min(entry.length, Int32(clamping: config.maxTokens))) }
                if !entry.isLeftOut { full.append(entry.length) }
            }
            for (index, problem, error) in part.problems {
                if problem == .image {
                    firstImageProblem = firstImageProblem ?? error
                } else {
                    firstProblem = firstProblem ?? error
                }
                report.add(problem, error: error, line: lines.line(index), limit: Self.shownProblems)
            }
        }
        report.setLengths(full)
        report.problems.sort { $0.problem.rawValue < $1.problem.rawValue }
        if let firstProblem, bad.count == lines.count, config.badLines == .fail { throw firstProblem }
        return Result(
            file: try ExampleFile(lines, config: config, bad: bad),
            lengths: lengths,
            report: report,
            firstProblem: firstProblem,
            firstImageProblem: firstImageProblem
        )
    }
}

extension DataReport {
    /// Counts an example that can be learned from.
    fileprivate mutating func add(_ example: EncodedExample) {
        examples += 1
        images += example.images.count
        imagesCutAway += example.imagesCutAway
        tokens += example.tokenIds.count
        targets += example.targetCount
        if example.fullCount > example.tokenIds.count { cut += 1 }
    }

    /// Adds the counts of another part of the file.
    fileprivate mutating func add(_ other: DataReport) {
        examples += other.examples
        images += other.images
        unseenImages += other.unseenImages
        imagesCutAway += other.imagesCutAway
        tokens += other.tokens
        targets += other.targets
        cut += other.cut
    }

    /// Counts an example that cannot be learned from.
    fileprivate mutating func add(_ problem: DataProblem, error: TrainingError, line: Int, limit: Int) {
        let index = problems.firstIndex { $0.problem == problem } ?? problems.count
        if index == problems.count { problems.append(Found(problem: problem, count: 0, examples: [], lines: [])) }
        problems[index].count += 1
        guard problems[index].lines.count < limit else { return }
        problems[index].examples.append("\(error)")
        problems[index].lines.append(line)
    }
}
