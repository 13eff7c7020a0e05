// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON value of which only matters whether it says anything.
package struct JSONLooseValue: Decodable {
    /// Whether it is null, an empty text, or a list or an object with nothing but such values: what tables put where
    /// nothing is (Arrow writes a struct that is missing as one whose members are all null).
    package let isEmpty: Bool

    package init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            isEmpty = true
        } else if let text = try? value.decode(String.self) {
            isEmpty = text.isEmpty
        } else if var list = try? decoder.unkeyedContainer() {
            var isEmpty = true
            while isEmpty, !list.isAtEnd { isEmpty = try list.decode(JSONLooseValue.self).isEmpty }
            self.isEmpty = isEmpty
        } else if let object = try? decoder.container(keyedBy: JSONKey.self) {
            isEmpty = try object.allKeys.allSatisfy { try object.decode(JSONLooseValue.self, forKey: $0).isEmpty }
        } else {
            isEmpty = false
        }
    }
}

extension Decoder {
    /// The text that the value is; nil for one that is no string.
    ///
    /// - Throws: `DecodingError` for a string that is no text (half a surrogate pair), which may be nothing else either.
    package func textIfString() throws -> String? {
        do {
            return try singleValueContainer().decode(String.self)
        } catch let error as DecodingError {
            guard let json = self as? JSONFieldDecoder, json.field.isString else { return nil }
            throw error
        }
    }
}
