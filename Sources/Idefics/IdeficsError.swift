// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// What can go wrong between a model's files, a prompt and its answer.
public enum IdeficsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A configuration file cannot be read, or a key (may be empty: the whole file) has a value no model can have.
    case config(file: String, key: String, reason: String)
    /// A field of the inputs of a forward pass does not fit the model or the other fields.
    case input(field: String, reason: String)
    /// A prompt cannot be turned into inputs; `item` counts from 0.
    case prompt(prompt: Int, item: Int?, reason: String)
    /// A model directory lacks what it needs.
    case model(path: String, reason: String)
    /// The demo model was asked for by its name and has not been made on this machine.
    case demoModelMissing(path: String)

    /// One line for people.
    public var description: String {
        switch self {
        case .config(let file, let key, let reason):
            "\(printable(file)): \(key.isEmpty ? "" : "\"\(printable(key))\": ")\(printable(reason))"
        case .input(let field, let reason): "input \"\(printable(field))\": \(printable(reason))"
        case .prompt(let prompt, let item, let reason):
            "prompt \(prompt)\(item.map { ", item \($0)" } ?? ""): \(printable(reason))"
        case .model(let path, let reason): "\(printable(path)): \(printable(reason))"
        case .demoModelMissing(let path):
            "\(path): the demo model is not here; `make demo-model` (Tools/demo_model.sh in the sources) fetches 183 MB "
                + "of Python packages and makes it from them; needs python3"
        }
    }
}
