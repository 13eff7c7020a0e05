// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTestSupport
import IdeficsTokenizers
import Testing

@Suite struct StreamingDetokenizerTests {
    /// Any ids: the chunks add up to `decode`, and no chunk has a replacement character that `decode` has not.
    @Test(arguments: ["processor/tokenizer-tiny", "tokenizer-mistral", "tokenizer-bytelevel"])
    func randomIds(folder: String) throws {
        let tokenizer = try #require(try tokenizers(folder).first)
        var random = SeededGenerator(seed: 3)
        for round in 0..<400 {
            let top = round % 2 == 0 ? 300 : tokenizer.vocabSize + 5
            let ids = (0..<Int.random(in: 0..<40, using: &random)).map { _ in Int.random(in: 0..<top, using: &random) }
            for skip in [true, false] {
                let whole = tokenizer.decode(tokenIds: ids, skipSpecialTokens: skip)
                #expect(same(streamed(ids, tokenizer, skipSpecialTokens: skip), whole), "\(ids)")
            }
        }
    }

    @Test func holdsBackHalfCharacters() throws {
        let tokenizer = try #require(try tokenizers("tokenizer-bytelevel").first)
        let ids = Array("😀é".utf8).map { byte in
            tokenizer.encode(text: "").count + (tokenizer.convertTokenToId(byteLevel(byte)) ?? -1)
        }
        var detokenizer = StreamingDetokenizer(tokenizer: tokenizer)
        #expect(ids.map { detokenizer.append($0) } == ["", "", "", "😀", "", "é"])
        #expect(detokenizer.finish() == "")
        // An unfinished character at the end of the text.
        detokenizer = StreamingDetokenizer(tokenizer: tokenizer)
        #expect(ids.prefix(2).map { detokenizer.append($0) } == ["", ""])
        #expect(detokenizer.finish() == "\u{FFFD}")
        #expect(tokenizer.decode(tokenIds: Array(ids.prefix(2))) == "\u{FFFD}")
    }

    @Test func holdsBackByteTokens() throws {
        let tokenizer = try #require(try tokenizers("tokenizer-mistral").first)
        let ids = [13, 13] + Array("\u{1F469}".utf8).map { 3 + Int($0) } + [28740]
        var detokenizer = StreamingDetokenizer(tokenizer: tokenizer)
        #expect(ids.map { detokenizer.append($0) } == ["", "", "", "", "", "", "\n\n\u{1F469}1"])
        #expect(detokenizer.finish() == "")
    }

    /// The space of SentencePiece's dummy prefix goes at the very start only.
    @Test func leadingSpace() throws {
        let tokenizer = try #require(try tokenizers("tokenizer-mistral").first)
        let ids = tokenizer.encode(text: "the the", addSpecialTokens: true)
        var detokenizer = StreamingDetokenizer(tokenizer: tokenizer)
        #expect(ids.map { detokenizer.append($0) } == ["", "the", " the"])
        detokenizer = StreamingDetokenizer(tokenizer: tokenizer, skipSpecialTokens: false)
        #expect(ids.map { detokenizer.append($0) } == ["<s>", " the", " the"])
    }

    /// A tokenizer of someone else's is decoded anew each time.
    @Test func foreignTokenizer() {
        let ids = Array("aé😀".utf8).map(Int.init)
        var detokenizer = StreamingDetokenizer(tokenizer: RawBytes())
        #expect(ids.map { detokenizer.append($0) } == ["a", "", "é", "", "", "", "😀"])
        _ = detokenizer.append(0xF0)
        #expect(detokenizer.finish() == "\u{FFFD}")
    }

    /// The character of GPT-2's alphabet for a byte above 0xA1 other than 0xAD, which it is itself, or below.
    private func byteLevel(_ byte: UInt8) -> String {
        let printable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
        let others = (0...byte).filter { !(0x21...0x7E ~= $0 || 0xA1...0xAC ~= $0 || $0 >= 0xAE) }
        let scalar = printable ? UInt32(byte) : 0x100 + UInt32(others.count - 1)
        return Unicode.Scalar(scalar).map { String(Character($0)) } ?? ""
    }
}

/// Every id is a byte.
private struct RawBytes: Tokenizer {
    let vocabSize = 256
    let bosToken: String? = nil
    let eosToken: String? = nil
    let unknownToken: String? = nil
    let padToken: String? = nil
    let additionalSpecialTokens: [String] = []
    let paddingSide = PaddingSide.left

    func encode(text: String, addSpecialTokens: Bool) -> [Int] { text.utf8.map(Int.init) }
    func encode(_ text: MarkedText, addSpecialTokens: Bool) -> [Int] { text.plain.utf8.map(Int.init) }

    func decode(tokenIds: [Int], skipSpecialTokens: Bool) -> String {
        String(decoding: tokenIds.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    func convertTokenToId(_ token: String) -> Int? { nil }
    func convertIdToToken(_ tokenId: Int) -> String? { nil }
}
