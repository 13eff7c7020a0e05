// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
public import IdeficsTensor

/// What can go wrong with a checkpoint; every case says where and what to do.
public enum CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file cannot be opened or mapped.
    case unreadable(file: String, reason: String)
    /// A file cannot be written; what was there before is untouched.
    case unwritable(file: String, reason: String)
    /// A directory holds no weights in a format this package reads.
    case noCheckpoint(directory: String)
    /// A file breaks the rules of its format at `field`.
    case malformed(file: String, field: String, reason: String)
    /// A file uses something its format allows and this package does not read.
    case unsupported(file: String, field: String, reason: String)
    /// A pickle names a Python object that no tensor needs.
    case forbiddenGlobal(file: String, name: String)
    /// A tensor was asked for by a name the file does not have.
    case missingTensor(file: String, name: String)
    /// The tensors of a checkpoint are not those of the model: everything that differs, by name.
    case mismatch(
        missing: [String],
        unexpected: [String],
        misshapen: [MisshapenTensor],
        mistyped: [MistypedTensor]
    )

    /// For people: what, where, and what to do.
    public var description: String {
        switch self {
        case .unreadable(let file, let reason): "cannot read \(printable(file)): \(reason)"
        case .unwritable(let file, let reason): "cannot write \(printable(file)): \(reason)"
        case .noCheckpoint(let directory):
            "no weights in \(printable(directory)): expected \(Checkpoint.fileNames.joined(separator: ", "))"
        case .malformed(let file, let field, let reason):
            "\(printable(file)) is damaged at \(printable(field)): \(printable(reason)); download or save it again"
        case .unsupported(let file, let field, let reason):
            "\(printable(file)), \(printable(field)): \(printable(reason))"
        case .forbiddenGlobal(let file, let name):
            """
            \(printable(file)) names the Python object \(printable(name)), which weights do not need; \
            nothing was executed. Use a safetensors file, or save a plain state dict of tensors
            """
        case .missingTensor(let file, let name): "\(printable(file)) has no tensor \(printable(name))"
        case .mismatch(let missing, let unexpected, let misshapen, let mistyped):
            mismatchDescription(missing, unexpected, misshapen, mistyped)
        }
    }
}

extension CheckpointError {
    /// What the reader of JSON complained of in the part `root` of a file.
    init(_ error: JSONError, root: String) {
        let isIndexed = error.path.isEmpty || error.path.hasPrefix("[")
        self = .malformed(
            file: error.file,
            field: isIndexed ? root + error.path : "\(root).\(error.path)",
            reason: error.reasonWithPlace
        )
    }

    /// What `read` gives; complaints of the reader of JSON become this module's own.
    static func wrapping<Value>(_ root: String, _ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch let error as JSONError {
            throw CheckpointError(error, root: root)
        }
    }

    /// What `body` writes, its errors as those of a checkpoint.
    static func writing<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as FileError {
            throw CheckpointError.unwritable(file: error.path, reason: error.reason)
        }
    }
}

/// A tensor whose shape is not the one the model needs.
public struct MisshapenTensor: Equatable, Sendable {
    /// Its name in the checkpoint.
    public let name: String
    /// What the model needs.
    public let expected: [Int]
    /// What the file has.
    public let found: [Int]

    /// A record of the difference.
    public init(name: String, expected: [Int], found: [Int]) {
        self.name = name
        self.expected = expected
        self.found = found
    }
}

/// A tensor whose element type the model cannot use.
public struct MistypedTensor: Equatable, Sendable {
    /// Its name in the checkpoint.
    public let name: String
    /// What the model can use.
    public let expected: [DType]
    /// What the file has.
    public let found: StoredDType

    /// A record of the difference.
    public init(name: String, expected: [DType], found: StoredDType) {
        self.name = name
        self.expected = expected
        self.found = found
    }
}

private func mismatchDescription(
    _ missing: [String],
    _ unexpected: [String],
    _ misshapen: [MisshapenTensor],
    _ mistyped: [MistypedTensor]
) -> String {
    var lines = ["the checkpoint does not fit the model (compare config.json with the weights)"]
    func section(_ title: String, _ entries: [String]) {
        guard !entries.isEmpty else { return }
        lines.append("\(title) (\(entries.count)):")
        lines += entries.map { "  " + printable($0) }
    }
    section("missing", missing)
    section("misshapen", misshapen.map { "\($0.name): expected \($0.expected), found \($0.found)" })
    section(
        "wrong type",
        mistyped.map { tensor in
            let expected = tensor.expected.map(\.rawValue).joined(separator: "/")
            return "\(tensor.name): expected \(expected), found \(tensor.found.rawValue)"
        }
    )
    section("unexpected", unexpected)
    return lines.joined(separator: "\n")
}
