// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The name of a member, or the index of an element, that is only known at run time.
package struct JSONKey: CodingKey, Hashable {
    /// The name.
    package let stringValue: String
    /// The index; nil for the name of a member.
    package let intValue: Int?

    /// The member `name`.
    package init(_ name: String) { (stringValue, intValue) = (name, nil) }
    /// The element at `index`.
    package init(index: Int) { (stringValue, intValue) = ("\(index)", index) }
    package init?(stringValue: String) { self.init(stringValue) }
    package init?(intValue: Int) { self.init(index: intValue) }
}
