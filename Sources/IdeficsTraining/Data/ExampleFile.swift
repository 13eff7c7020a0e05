// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A file of examples, one JSON value a line or all in one array; only where they begin is kept in memory.
public struct ExampleFile: Sendable {
    /// The path as it was given; `-` for standard input.
    public let path: String
    /// Lines that are no examples, with reasons; empty when bad lines are errors.
    public let badLines: [TrainingError]
    /// Bytes of the file.
    public var byteCount: Int { file.byteCount }

    /// Tells it from other contents.
    let checksum: UInt32

    private let file: DataFile
    private let records: [ExampleRecords.Record]
    private let config: DataConfig

    /// Opens the file at `path` and reads every example once.
    ///
    /// - Throws: `TrainingError.file` when it cannot be read or holds no example; `TrainingError.data` for the first bad
    ///   line, if those are errors.
    public init(path: String, config: DataConfig = DataConfig()) throws {
        let lines = try Lines(path: path)
        var bad: [Int: TrainingError] = [:]
        for index in 0..<lines.count {
            do {
                _ = try lines.example(index, config)
            } catch let problem as ExampleProblem {
                let error = lines.error(index, problem.reason)
                if config.badLines == .fail { throw error }
                bad[index] = error
            }
        }
        try self.init(lines, config: config, bad: bad)
    }

    /// The file of `lines` without those that are `bad`.
    ///
    /// - Throws: `TrainingError.file` when none is left.
    init(_ lines: Lines, config: DataConfig, bad: [Int: TrainingError]) throws {
        path = lines.file.path
        file = lines.file
        checksum = lines.index.checksum
        self.config = config
        records = lines.index.records.enumerated().filter { bad[$0.offset] == nil }.map(\.element)
        badLines = bad.sorted { $0.key < $1.key }.map(\.value)
        guard !records.isEmpty else {
            throw TrainingError.file(path: path, reason: "holds no example" + (bad.isEmpty ? "" : " that can be used"))
        }
    }

    /// Number of examples.
    public var count: Int { records.count }

    /// The line of the example `index`, counted from 1.
    public func line(_ index: Int) -> Int { records[index].line }

    /// The example `index`.
    public func example(_ index: Int) throws -> TrainingExample {
        do {
            return try records[index].example(in: file, config)
        } catch let problem as ExampleProblem {
            throw error(index, problem.reason)
        }
    }

    /// What is wrong with the example `index`.
    func error(_ index: Int, _ reason: String) -> TrainingError {
        records[index].error(in: file, reason)
    }

    /// All that could be an example in a file.
    struct Lines: Sendable {
        let file: DataFile
        let index: ExampleRecords

        /// Finds them.
        ///
        /// - Throws: `TrainingError`.
        init(path: String) throws {
            file = try DataFile(path: path)
            index = try ExampleRecords(file)
        }

        var count: Int { index.records.count }

        /// The line that `example` begins on, counted from 1.
        func line(_ example: Int) -> Int { index.records[example].line }

        /// The example `index`.
        ///
        /// - Throws: `ExampleProblem` when it is none, `TrainingError` when it cannot be read.
        func example(_ index: Int, _ config: DataConfig) throws -> TrainingExample {
            try self.index.records[index].example(in: file, config)
        }

        /// What is wrong with the example `index`.
        func error(_ index: Int, _ reason: String) -> TrainingError {
            self.index.records[index].error(in: file, reason)
        }
    }
}

extension ExampleRecords.Record {
    /// The example.
    ///
    /// - Throws: `ExampleProblem` when it is none, `TrainingError` when it cannot be read.
    fileprivate func example(in file: DataFile, _ config: DataConfig) throws -> TrainingExample {
        try TrainingExample(json: Data(file.read(bytes)), folder: file.folder, config: config)
    }

    /// What is wrong with it.
    fileprivate func error(in file: DataFile, _ reason: String) -> TrainingError {
        .data(file: file.path, line: line, reason: element.map { "element \($0): \(reason)" } ?? reason)
    }
}
