// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with memory that comes from outside.
public enum TensorError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file could not be mapped.
    case file(path: String, reason: String)

    /// One line for people.
    public var description: String {
        switch self {
        case .file(let path, let reason): "cannot read \(path): \(reason)"
        }
    }
}
