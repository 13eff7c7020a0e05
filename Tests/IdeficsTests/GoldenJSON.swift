// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport

/// A `golden.json` of the fixtures, by path.
@dynamicMemberLookup struct GoldenJSON {
    let value: Any

    init(_ path: String) throws {
        value = try JSONSerialization.jsonObject(with: Fixtures.data(path))
    }

    private init(value: Any) { self.value = value }

    subscript(_ key: String) -> GoldenJSON? {
        (value as? [String: Any])?[key].map(GoldenJSON.init(value:))
    }

    subscript(dynamicMember key: String) -> GoldenJSON? { self[key] }

    var ints: [Int]? { (value as? [NSNumber])?.map(\.intValue) }
    var rows: [[Int]]? { (value as? [[NSNumber]])?.map { $0.map(\.intValue) } }
    var floats: [Float]? { (value as? [NSNumber])?.map(\.floatValue) }
    var int: Int? { (value as? NSNumber)?.intValue }
    var double: Double? { (value as? NSNumber)?.doubleValue }
    var bool: Bool? { (value as? NSNumber)?.boolValue }
    var string: String? { value as? String }
    var strings: [String]? { value as? [String] }
    var elements: [GoldenJSON] { (value as? [Any])?.map(GoldenJSON.init(value:)) ?? [] }
    var keys: [String] { (value as? [String: Any])?.keys.sorted() ?? [] }
}
