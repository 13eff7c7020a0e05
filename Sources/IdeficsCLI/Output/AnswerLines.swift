// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// Answers as JSON lines, each written as soon as it is complete: on standard output, or in a file that a later run can
/// go on with.
final class AnswerLines {
    /// What identifies an answer in its line.
    private struct Answer: Decodable {
        let promptIndex: Int
        let returnIndex: Int?
        let line: Int?

        private enum CodingKeys: String, CodingKey {
            case promptIndex = "prompt_index"
            case returnIndex = "return_index"
            case line
        }
    }

    /// Prompts whose answers the file held already.
    private(set) var completedPrompts = 0
    /// The line of the last of them in the file of prompts.
    private var lastPromptLine: Int?

    private let path: String
    private let answersPerPrompt: Int
    /// Nil for standard output.
    private var file: FileWriter?
    private var lock: FileLock?
    /// Where the next line goes.
    private var end: Int64 = 0

    /// Opens the file that `options` names.
    ///
    /// What follows the last prompt with all its answers, a line that was torn for one, is cut away on `--resume`.
    ///
    /// - Parameters:
    ///   - options: the file, and whether to go on with what it holds.
    ///   - answersPerPrompt: lines of each prompt.
    /// - Throws: `CommandError` or `FileError`; the file is then as it was.
    init(_ options: AnswerOptions, answersPerPrompt: Int) throws {
        path = options.output ?? "-"
        self.answersPerPrompt = answersPerPrompt
        guard path != "-" else { return }
        // Two runs that wrote to one file would tear each other's lines.
        lock = try FileLock.tryAcquire(Files.realPath(path) ?? path)
        guard lock != nil else { throw CommandError("\(printable(path)): another run is writing to it") }
        let stream = try ByteStream(path: path)
        guard let size = stream.byteCount else { throw CommandError("\(printable(path)): is not a regular file") }
        guard size == 0 || options.resume else {
            throw CommandError("\(printable(path)): holds something already; --resume goes on after its last answer")
        }
        end = try readAnswers(LineReader(stream))
        file = try FileWriter(path: path)
        try file?.truncate(to: end)
    }

    /// Counts the prompts that are answered; returns where their lines end.
    private func readAnswers(_ lines: LineReader) throws -> Int64 {
        var end: Int64 = 0
        var count = 0
        while let (number, text) = try lines.next() {
            guard lines.isLineWhole else {
                // A last line without its end was torn, if it is one of ours.
                let starts = ["generate_time", "line", "prompt_index"].map { Array("{\"\($0)\":".utf8) }
                guard
                    text.allSatisfy({ $0 == 0 }) || starts.contains(where: { text.starts(with: $0.prefix(text.count)) })
                else {
                    throw CommandError("\(printable(path)), line \(number): is no answer; the file is left as it is")
                }
                break
            }
            guard let answer = try? JSONReader.decode(Answer.self, from: text, file: path),
                answer.promptIndex == count / answersPerPrompt,
                (answer.returnIndex ?? 0) == count % answersPerPrompt
            else {
                throw CommandError(
                    "\(printable(path)), line \(number): is not answer \(count % answersPerPrompt) to prompt "
                        + "\(count / answersPerPrompt), which should be there; the file is left as it is"
                )
            }
            count += 1
            guard count.isMultiple(of: answersPerPrompt) else { continue }
            completedPrompts += 1
            lastPromptLine = answer.line
            end = lines.byteCount
        }
        return end
    }

    /// Passes over the prompts that are answered already.
    ///
    /// - Throws: `CommandError` when the answers are those of other prompts.
    func skipCompleted(_ prompts: PromptFile) throws {
        for index in 0..<completedPrompts {
            let line = try prompts.next()
            let isLast = index == completedPrompts - 1
            guard let line, !isLast || lastPromptLine == nil || lastPromptLine == line.number else {
                throw CommandError(
                    "\(printable(path)): holds answers to other prompts: \(completedPrompts), the last to line "
                        + "\(lastPromptLine.map(String.init) ?? "?"); prompt \(index) is now "
                        + (line.map { "line \($0.number)" } ?? "not there")
                )
            }
        }
    }

    /// Writes `answer` as one line.
    func write(_ answer: some Encodable) throws {
        guard let file else { return try Terminal.writeJSON(answer) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let line = try encoder.encode(answer) + [UInt8(ascii: "\n")]
        try line.withUnsafeBytes { try file.write($0, at: end) }
        end += Int64(line.count)
    }
}
