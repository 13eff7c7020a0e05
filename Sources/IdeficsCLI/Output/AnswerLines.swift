// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation

/// Answers as JSON lines, each written as soon as it is complete: on standard output, into a pipe, or in a file that a
/// later run can go on with.
final class AnswerLines {
    /// What is asked of each prompt.
    enum Question {
        /// So many continuations.
        case generate(count: Int)
        /// How likely these are.
        case score([String])

        /// Lines of each prompt.
        var answersPerPrompt: Int { if case .generate(let count) = self { count } else { 1 } }
    }

    /// What identifies an answer in its line.
    private struct Answer: Decodable {
        struct Score: Decodable { let continuation: String }

        let promptIndex: Int
        let returnIndex: Int?
        let line: Int?
        let promptTokenCount: Int?
        let scores: [Score]?

        private enum CodingKeys: String, CodingKey {
            case promptIndex = "prompt_index"
            case returnIndex = "return_index"
            case line
            case promptTokenCount = "prompt_token_count"
            case scores
        }

        /// Whether it may be an answer to `question`.
        func isAnswer(to question: Question) -> Bool {
            switch question {
            case .generate: promptTokenCount != nil
            case .score(let continuations): scores?.map(\.continuation) == continuations
            }
        }
    }

    /// Prompts whose answers the file held already.
    private(set) var completedPrompts = 0
    /// The last of their answers.
    private var lastAnswer: Answer?

    private let path: String
    private let question: Question
    private var file: FileWriter?
    /// The descriptor of a pipe or device; where neither is, it is standard output.
    private var pipe: Int32?
    private var lock: FileLock?
    /// Where the next line goes.
    private var end: Int64 = 0

    /// Opens the file that `options` names.
    ///
    /// What follows the last prompt with all its answers, a line that was torn for one, is cut away on `--resume`.
    ///
    /// - Parameters:
    ///   - options: the file, and whether to go on with what it holds.
    ///   - question: what is asked of each prompt.
    /// - Throws: `CommandError` or `FileError`; the file is then as it was.
    init(_ options: AnswerOptions, to question: Question) throws {
        path = options.output ?? "-"
        self.question = question
        guard !options.areOnStandardOutput else { return }
        if let status = Files.status(path), Files.size(path) == nil {
            guard status.st_mode & S_IFMT != S_IFDIR else { throw CommandError("\(printable(path)): is a folder") }
            guard !options.resume else {
                throw CommandError("\(printable(path)): is not a regular file, which --resume needs")
            }
            pipe = try Files.open(path, "write", O_WRONLY)
            return
        }
        // Two runs that wrote to one file would tear each other's lines.
        lock = try FileLock.tryAcquire(Files.placeBehindLinks(path))
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

    deinit {
        if let pipe { close(pipe) }
    }

    /// Counts the prompts that are answered; returns where their lines end.
    private func readAnswers(_ lines: LineReader) throws -> Int64 {
        var end: Int64 = 0
        var count = 0
        let answersPerPrompt = question.answersPerPrompt
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
            guard answer.isAnswer(to: question) else {
                throw CommandError(
                    "\(printable(path)), line \(number): is an answer to another question (another command, or other "
                        + "continuations); the file is left as it is"
                )
            }
            count += 1
            guard count.isMultiple(of: answersPerPrompt) else { continue }
            completedPrompts += 1
            lastAnswer = answer
            end = lines.byteCount
        }
        return end
    }

    /// Passes over the prompts that are answered already.
    ///
    /// - Parameters:
    ///   - prompts: the file of prompts.
    ///   - tokenCount: tokens of a prompt, to be compared with what the last answer says; nil not to compare.
    /// - Throws: `CommandError` when the answers are those of other prompts.
    func skipCompleted(_ prompts: PromptFile, tokenCount: ((Prompt) -> Int)? = nil) throws {
        let lastPromptLine = lastAnswer?.line
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
            guard isLast, let tokenCount, let before = lastAnswer?.promptTokenCount else { continue }
            let now = tokenCount(line.prompt)
            guard now == before else {
                throw CommandError(
                    "\(printable(path)): holds answers to other prompts: line \(line.number) had \(before) tokens and has "
                        + "\(now)"
                )
            }
        }
    }

    /// Writes `answer` as one line.
    func write(_ answer: some Encodable) throws {
        guard file != nil || pipe != nil else { return try Terminal.writeJSON(answer) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let line = try encoder.encode(answer) + [UInt8(ascii: "\n")]
        if let pipe {
            let code = writeAll(line, to: pipe)
            guard code == 0 else { throw FileError(path, "write", code: code) }
            return
        }
        try line.withUnsafeBytes { try file?.write($0, at: end) }
        end += Int64(line.count)
    }
}
