// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
public import Idefics
import IdeficsFoundation
import IdeficsImages
import IdeficsTokenizers

/// One thing to learn from.
public struct TrainingExample: Sendable {
    /// What it is.
    public enum Content: Sendable {
        /// Turns of a chat, written down in the model's own format.
        case conversation([ChatMessage])
        /// Text and images as they follow each other.
        case document([Prompt.Item])
    }

    /// What it is.
    public var content: Content

    /// An example.
    public init(_ content: Content) {
        self.content = content
    }

    /// The example that a line of a data file says, in one of the layouts of docs/training.md.
    ///
    /// - Parameters:
    ///   - json: the line.
    ///   - folder: where relative paths of images begin.
    ///   - config: which keys are ignored, and what counts.
    /// - Throws: `ExampleProblem`.
    package init(json: Data, folder: URL, config: DataConfig = DataConfig()) throws {
        do {
            content = try JSONReader.read(json, file: "") { decoder in
                try ExampleJSON(decoder, ignoredKeys: config.ignoredKeys).content(folder: folder)
            }
        } catch let error as JSONError {
            throw ExampleProblem(error)
        }
        if let reason = reasonNotToLearn(config) { throw ExampleProblem(reason, kind: .nothingToLearn) }
    }

    /// Why there is nothing to learn from it, whatever the tokens are; nil when there may be.
    private func reasonNotToLearn(_ config: DataConfig) -> String? {
        func isBlank(_ items: [Prompt.Item]) -> Bool {
            items.allSatisfy { $0.markedText?.plain.allSatisfy(\.isWhitespace) ?? true }
        }
        switch content {
        case .document(let items):
            if items.allSatisfy(\.isEmptyText) { return "says and shows nothing" }
            return isBlank(items) ? "has no text to learn" : nil
        case .conversation(let messages):
            if messages.flatMap(\.items).allSatisfy(\.isEmptyText) { return "says and shows nothing" }
            guard config.loss == .assistant else {
                return isBlank(messages.flatMap(\.items)) ? "has no text to learn" : nil
            }
            let answers = messages.filter { $0.role == .assistant }
            if answers.isEmpty { return "has no answer of the assistant, which is what counts (data.loss)" }
            return answers.allSatisfy { isBlank($0.items) } ? "has no answer that says anything" : nil
        }
    }

    /// All of its images, in order.
    var images: [ImageSource] {
        let items: [Prompt.Item] =
            switch content {
            case .document(let items): items
            case .conversation(let messages): messages.flatMap(\.items)
            }
        return items.compactMap { if case .image(let source) = $0 { source } else { nil } }
    }
}

/// Why a line is not an example that can be learned from, without where.
package struct ExampleProblem: Error {
    /// What kind of problem it is.
    package let kind: DataProblem
    /// What it is.
    package let reason: String

    package init(_ reason: String, kind: DataProblem = .noExample) {
        self.reason = reason
        self.kind = kind
    }

    init(_ error: JSONError) {
        // Where the text begins is said by whoever says which example it is.
        let line = error.line.map { $0 > 1 ? "its line \($0), " : "" }
        let place = line.map { "not valid JSON at \($0)column \(error.column ?? 0): " } ?? ""
        let path = error.path.isEmpty ? "" : "\(printable(error.path)): "
        self.init("\(place)\(path)\(printable(error.reason))")
    }
}
