// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The ids of a text, and how far they are those of texts it begins with.
///
/// A token may reach over the end of a beginning, so that the text has other ids there than the beginning alone.
public struct TokenizedBeginnings: Sendable, Equatable {
    /// One beginning.
    public struct Beginning: Sendable, Equatable {
        /// Ids of the beginning alone.
        public let count: Int
        /// How many of these, from the first on, the text has as well.
        public let commonCount: Int

        /// Compares the ids of a beginning with those of the text.
        ///
        /// - Parameters:
        ///   - rest: ids of the beginning, without those that are known to be the same.
        ///   - ids: those of the text.
        ///   - known: how many are known to be the same.
        public init(_ rest: [Int], of ids: [Int], after known: Int = 0) {
            count = known + rest.count
            commonCount = known + zip(rest, ids.dropFirst(known)).prefix { $0 == $1 }.count
        }
    }

    /// Ids of the text.
    public let ids: [Int]
    /// The beginnings, in the order they were given.
    public let beginnings: [Beginning]

    /// Ids of a text and its beginnings.
    public init(ids: [Int], beginnings: [Beginning]) {
        self.ids = ids
        self.beginnings = beginnings
    }
}

extension Tokenizer {
    /// The same with the methods that every tokenizer has: each beginning is encoded anew.
    public func encode(_ text: MarkedText, beginnings: [MarkedText]) -> TokenizedBeginnings {
        let ids = encode(text, addSpecialTokens: false)
        return TokenizedBeginnings(
            ids: ids,
            beginnings: beginnings.map { .init(encode($0, addSpecialTokens: false), of: ids) }
        )
    }
}
