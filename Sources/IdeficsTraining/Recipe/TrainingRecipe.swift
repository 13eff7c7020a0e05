// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import Yams

/// Everything a run depends on: the model, the data, what is trained, and how.
public struct TrainingRecipe: Sendable, Equatable, Codable {
    /// Model directory, or its name on the hub.
    public var model = ""
    /// The run folder.
    public var output = ""
    /// The data.
    public var data = DataConfig()
    /// What is trained.
    public var parameters = ParameterConfig()
    /// Adapters that are trained instead; nil for parameters of the model itself.
    public var lora: LoRASettings?
    /// How.
    public var trainer = TrainingConfig()

    /// A recipe without a model and data.
    public init() {}

    /// Reads a recipe; keys that are not known are errors.
    public init(from decoder: any Decoder) throws {
        self.init()
        var keys = try StrictKeys(decoder)
        try keys.read("model", into: &model)
        try keys.read("output", into: &output)
        try keys.read("data", into: &data)
        try keys.read("parameters", into: &parameters)
        try keys.read("lora", into: &lora)
        try keys.read("trainer", into: &trainer)
        try keys.finish()
    }

    /// The recipe in YAML or JSON.
    ///
    /// - Parameters:
    ///   - yaml: the text, read as JSON if it is that; a byte order mark before it is left out.
    ///   - overrides: `section.key=value` each, the value in YAML; a later one wins.
    /// - Throws: `TrainingError.config` naming the key.
    public init(yaml: String, overrides: [String] = []) throws {
        var tree = try RecipeNode.compose(yaml) ?? Node([(Node, Node)]())
        for override in overrides { try tree.apply(override) }
        do {
            self = try YAMLDecoder().decode(TrainingRecipe.self, from: tree, userInfo: [:])
        } catch let error as TrainingError {
            throw error
        } catch let error as DecodingError {
            throw Self.problem(error)
        }
        try validate()
    }

    /// Checks every value.
    ///
    /// - Throws: `TrainingError.config` naming the key.
    public func validate() throws {
        func isGiven(_ value: String, _ key: String) throws {
            if value.isEmpty { throw TrainingError.config(key: key, reason: "is not given") }
        }
        try isGiven(model, "model")
        try isGiven(output, "output")
        try isGiven(data.train, "data.train")
        try data.validate()
        try trainer.validate()
        if trainer.evalSteps > 0, data.eval == nil, data.samples.isEmpty {
            throw TrainingError.config(key: "trainer.evalSteps", reason: "needs data.eval or data.samples")
        }
    }

    /// The recipe as JSON, every key written out.
    public var json: Data {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return try encoder.encode(self)
        }
    }

    private static func problem(_ error: DecodingError) -> TrainingError {
        let context: DecodingError.Context
        switch error {
        case .typeMismatch(let type, let found):
            if found.underlyingError == nil, let expected = expectation(type) {
                return .config(key: key(found), reason: "must be \(expected)")
            }
            context = found
        case .valueNotFound(_, let found), .keyNotFound(_, let found), .dataCorrupted(let found): context = found
        @unknown default: return .config(key: "", reason: "\(error)")
        }
        // A decoder may hand on an error of a section as the underlying one of its own.
        if let inner = context.underlyingError as? TrainingError { return inner }
        return .config(key: key(context), reason: context.debugDescription)
    }

    private static func key(_ context: DecodingError.Context) -> String {
        context.codingPath.map(\.stringValue).joined(separator: ".")
    }

    /// What a value of `type` is to people; nil for what the decoder's words say as well.
    private static func expectation(_ type: any Any.Type) -> String? {
        switch type {
        case is Bool.Type: "true or false"
        case is any FixedWidthInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        case is String.Type: "a text"
        default: nil
        }
    }
}

extension Node {
    /// Sets what `text`, `a.b=value`, says.
    fileprivate mutating func apply(_ text: String) throws {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw TrainingError.config(key: text, reason: "an override is written section.key=value")
        }
        let key = String(text[..<equals])
        let value: Node
        do {
            value =
                try RecipeNode.compose(String(text[text.index(after: equals)...])) ?? RecipeNode.compose("~")
                ?? Node("~")
        } catch TrainingError.config(_, let reason) {
            throw TrainingError.config(key: key, reason: "its value: \(reason)")
        }
        try set(key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)[...], to: value, of: key)
    }

    private mutating func set(_ path: ArraySlice<String>, to value: Node, of key: String) throws {
        guard let first = path.first, !first.isEmpty else {
            self = value
            return
        }
        if isNull { self = Node([(Node, Node)]()) }
        guard mapping != nil else {
            throw TrainingError.config(key: key, reason: "lies in something that is not a section")
        }
        var child = self[first] ?? Node([(Node, Node)]())
        try child.set(path.dropFirst(), to: value, of: key)
        self[first] = child
    }

    private var isNull: Bool {
        null != nil || scalar?.string.isEmpty == true
    }
}
