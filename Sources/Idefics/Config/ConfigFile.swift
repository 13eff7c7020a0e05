// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// A value that makes no sense, before its file is known.
struct ConfigProblem: Error {
    let key: String
    let reason: String

    init(_ key: String, _ reason: String) {
        self.key = key
        self.reason = reason
    }

    /// What `read` gives; its complaints name `file`.
    static func naming<Value>(_ file: String, _ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch let problem as ConfigProblem {
            throw IdeficsError.config(file: file, key: problem.key, reason: problem.reason)
        } catch let error as JSONError {
            throw IdeficsError(error)
        }
    }
}

extension IdeficsError {
    /// What the reader of JSON complained of.
    init(_ error: JSONError) {
        self = .config(file: error.file, key: error.path, reason: error.reasonWithPlace)
    }
}

/// The most bytes a configuration may have.
let configurationLimit = 16 << 20

/// Decodes the JSON file at `url`; every failure names the file and the key.
///
/// With `allowsNonFinite`, NaN and infinite numbers are for `type` to judge.
func decodeJSON<Value: Decodable>(
    _ type: Value.Type,
    from url: URL,
    allowsNonFinite: Bool = false
) throws -> Value {
    func failure(_ reason: String) -> IdeficsError { .config(file: url.path, key: "", reason: reason) }
    let data: Data
    do {
        data = try Files.readRegular(url, limit: configurationLimit)
    } catch {
        throw failure("cannot be read: \(error.localizedDescription)")
    }
    return try ConfigProblem.naming(url.path) {
        try JSONReader.decode(type, from: data, file: url.path, allowsNonFinite: allowsNonFinite)
    }
}
