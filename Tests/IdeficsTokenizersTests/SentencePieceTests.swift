// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// `tokenizer.model` files put together by hand.
@Suite struct SentencePieceTests {
    /// Writes the wire format.
    private struct Writer {
        var bytes: [UInt8] = []

        mutating func varint(_ value: UInt64) {
            var value = value
            while value >= 0x80 {
                bytes.append(UInt8(value & 0x7F) | 0x80)
                value >>= 7
            }
            bytes.append(UInt8(value))
        }

        mutating func number(_ field: UInt64, _ value: UInt64) {
            varint(field << 3)
            varint(value)
        }

        mutating func message(_ field: UInt64, _ content: [UInt8]) {
            varint(field << 3 | 2)
            varint(UInt64(content.count))
            bytes += content
        }

        mutating func float(_ field: UInt64, _ value: Float) {
            varint(field << 3 | 5)
            for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(value.bitPattern >> shift & 0xFF)) }
        }
    }

    private func piece(_ text: String, _ score: Float = 0, type: UInt64 = 1) -> [UInt8] {
        var writer = Writer()
        writer.message(1, Array(text.utf8))
        writer.float(2, score)
        writer.number(3, type)
        return writer.bytes
    }

    private func model(
        _ pieces: [[UInt8]],
        trainer: [(UInt64, UInt64)] = [],
        normalizer: [(UInt64, UInt64)] = [(4, 0)],
        normalizerName: String = "identity"
    ) -> [UInt8] {
        var file = Writer()
        for piece in [piece("<unk>", type: 2), piece("<s>", type: 3), piece("</s>", type: 3)] + pieces {
            file.message(1, piece)
        }
        var spec = Writer()
        if !trainer.contains(where: { $0.0 == 3 }) { spec.number(3, 2) }
        for (field, value) in trainer { spec.number(field, value) }
        file.message(2, spec.bytes)
        spec = Writer()
        spec.message(1, Array(normalizerName.utf8))
        for (field, value) in normalizer { spec.number(field, value) }
        file.message(3, spec.bytes)
        return file.bytes
    }

    private func load(_ bytes: [UInt8], config: String? = nil) throws -> any Tokenizer {
        try AutoTokenizer.from(bytes: bytes, isJSON: false, tokenizerConfig: config.map { Array($0.utf8) })
    }

    private func failure(_ bytes: [UInt8]) -> TokenizerError? {
        #expect(throws: TokenizerError.self) { try load(bytes) }
    }

    @Test func scoresAndTies() throws {
        // Both merges have the same score: the leftmost goes first.
        let tokenizer = try load(model([piece("▁"), piece("a"), piece("b"), piece("ab", -1), piece("ba", -1)]))
        #expect(
            tokenizer.encode(text: "aba", addSpecialTokens: false).map(tokenizer.convertIdToToken) == ["▁", "ab", "a"]
        )
        #expect(
            tokenizer.encode(text: "bab", addSpecialTokens: false).map(tokenizer.convertIdToToken) == ["▁", "ba", "b"]
        )
        #expect(tokenizer.encode(text: "a") == [1, 3, 4])
        #expect(tokenizer.bosToken == "<s>" && tokenizer.eosTokenId == 2 && tokenizer.padToken == nil)
        #expect(tokenizer.paddingSide == .left)
    }

    /// Characters that are no pieces can still be parts of one, and are unknown where they are left over.
    @Test func charactersThatAreNoPieces() throws {
        let tokenizer = try load(model([piece("▁"), piece("xy", -1), piece("xyz", -2)]))
        #expect(tokenizer.encode(text: "xyz xy yx?q", addSpecialTokens: false) == [3, 5, 3, 4, 3, 0])
    }

    @Test func extraWhitespace() throws {
        let pieces = [piece("▁"), piece("a"), piece("▁▁", -1)]
        let kept = try load(model(pieces))
        #expect(kept.encode(text: "  a  ", addSpecialTokens: false) == [5, 3, 4, 5])
        let removed = try load(model(pieces, normalizer: [(4, 1)]))
        #expect(removed.encode(text: "  a   a  ▁ ", addSpecialTokens: false) == [3, 4, 3, 4])
        #expect(removed.encode(text: "   ", addSpecialTokens: false) == [])
        let bare = try load(model(pieces, normalizer: [(3, 0), (4, 0)]))
        #expect(bare.encode(text: " a", addSpecialTokens: false) == [3, 4])
        #expect(bare.decode(tokenIds: [3, 4]) == " a" && kept.decode(tokenIds: [3, 4]) == "a")
    }

    @Test func notLegacy() throws {
        let bytes = model([piece("▁"), piece("a")])
        let legacy = try load(bytes)
        #expect(legacy.encode(text: "a</s>a</s> a", addSpecialTokens: false) == [3, 4, 2, 3, 4, 2, 3, 3, 4])
        let current = try load(bytes, config: #"{"legacy":false}"#)
        #expect(current.encode(text: "a</s>a</s> a", addSpecialTokens: false) == [3, 4, 2, 4, 2, 3, 4])
        let eos = try load(bytes, config: #"{"add_bos_token":false,"add_eos_token":true}"#)
        #expect(eos.encode(text: "a") == [3, 4, 2])
    }

    @Test func refused() throws {
        let pieces = [piece("▁"), piece("a")]
        #expect(failure(model(pieces, trainer: [(3, 1)]))?.field == "trainer_spec.model_type")
        #expect(failure(model(pieces, trainer: [(24, 1)]))?.field == "trainer_spec")
        #expect(failure(model(pieces, trainer: [(40, 1)]))?.field == "trainer_spec.unk_id")
        #expect(failure(model(pieces, trainer: [(40, .max)]))?.field == "trainer_spec.unk_id")
        #expect(failure(model(pieces, trainer: [(35, 1)]))?.field == "pieces: <0x00>")
        #expect(failure(model(pieces, normalizerName: "nmt_nfkc"))?.field == "normalizer_spec")
        #expect(failure(model(pieces, normalizer: [(5, 0)]))?.field == "normalizer_spec")
        #expect(failure(model(pieces + [piece("a")]))?.field == "pieces[5]")
        #expect(failure(model([piece("")]))?.field == "pieces[3]")
        #expect(failure(model([piece("a", .nan)]))?.field == "pieces[3]")
        #expect(failure(model([piece(String(repeating: "a", count: 300))]))?.field == "pieces[3]")
        #expect(failure(model([piece("a", type: 5)]))?.field == "pieces[3]")
        #expect(failure(model([piece("a", type: 99)]))?.field == "pieces[3]")
        #expect(failure([])?.field == "pieces")
    }

    @Test(
        arguments: [
            [0x0A], [0x0A, 0x05, 0x01], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x80],
            [0x00, 0x00],
            [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
            [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], [0x0B], [0x0C], [0x0F],
            [0x0D, 0x00], [0x09, 0x00],
            [0x0A, 0x02, 0x0A, 0x05], Array("bogus text file\n".utf8),
        ] as [[UInt8]]
    )
    func malformed(bytes: [UInt8]) {
        guard case .malformedProtobuf(let file, let offset, _) = failure(bytes) else {
            Issue.record("\(bytes) was not called malformed")
            return
        }
        #expect(file == "tokenizer.model" && offset <= bytes.count)
    }

    @Test func everyTruncation() throws {
        let bytes = Array(try Fixtures.data("processor/tokenizer-tiny/tokenizer.model"))
        for length in stride(from: 0, to: bytes.count, by: 7) {
            do {
                _ = try load(Array(bytes.prefix(length)))
            } catch {
                #expect(error is TokenizerError)
            }
        }
    }
}
