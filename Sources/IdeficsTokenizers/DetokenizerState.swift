// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Decoding in progress: tokens go in one by one, text comes out as soon as it is certain.
///
/// `decode` and streaming both run on this, so what is streamed adds up to what is decoded at once.
struct DetokenizerState: Sendable {
    private let decoder: TokenDecoder
    private var isFirst = true
    private var repairer = UTF8Repairer()
    /// Bytes of a run of byte tokens.
    ///
    /// tokenizers decides about the run as a whole: either all of it is
    /// well-formed, or every byte becomes U+FFFD. So nothing of it is certain before it ends.
    private var byteRun: [UInt8] = []
    /// How many leading characters may yet be stripped.
    private var leadingStrips: Int
    /// How often the strip's character stands at the end of what was put out, not yet emitted.
    private var heldStrips = 0

    init(decoder: TokenDecoder) {
        self.decoder = decoder
        leadingStrips = decoder.strip?.start ?? 0
    }

    /// Appends to `output` the text that the token `piece` makes certain.
    mutating func append(_ piece: ArraySlice<UInt8>, to output: inout [UInt8]) {
        defer { isFirst = false }
        if decoder.isByteLevel {
            var bytes: [UInt8] = []
            ByteLevelAlphabet.appendBytes(of: piece, to: &bytes)
            for byte in bytes { repairer.append(byte, to: &output) }
            return
        }
        var text = piece
        for replacement in decoder.replacements where text.contains(replacement.pattern[0]) {
            text = Array(text).replacing(replacement.pattern, with: replacement.content)[...]
        }
        if let metaspace = decoder.metaspace {
            let space: [UInt8] = isFirst && metaspace.dropsFirst ? [] : [UInt8(ascii: " ")]
            text = Array(text).replacing(metaspace.mark, with: space)[...]
        }
        if decoder.byteFallback, let byte = BytePairModel.byte(ofPiece: text) {
            byteRun.append(byte)
            return
        }
        endByteRun(to: &output)
        if !isFirst { emit(decoder.separator[...], to: &output) }
        emit(text, to: &output)
    }

    /// Appends what was held back for a token that did not come.
    mutating func finish(to output: inout [UInt8]) {
        repairer.finish(to: &output)
        endByteRun(to: &output)
        // What is still held stands at the end of the text and is stripped there.
        heldStrips = 0
    }

    private mutating func endByteRun(to output: inout [UInt8]) {
        guard !byteRun.isEmpty else { return }
        if isValidUTF8(byteRun) {
            emit(byteRun[...], to: &output)
        } else {
            for _ in byteRun { emit(UTF8.encodedReplacementCharacter.map { $0 }[...], to: &output) }
        }
        byteRun.removeAll(keepingCapacity: true)
    }

    private mutating func emit(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        guard let strip = decoder.strip else {
            output.append(contentsOf: text)
            return
        }
        var text = text
        while leadingStrips > 0, !text.isEmpty {
            if text.starts(with: strip.content) {
                text.removeFirst(strip.content.count)
                leadingStrips -= 1
            } else {
                leadingStrips = 0
            }
        }
        guard strip.stop > 0, !text.isEmpty else {
            output.append(contentsOf: text)
            return
        }
        var trailing = 0
        while text.suffix(strip.content.count).elementsEqual(strip.content) {
            text.removeLast(strip.content.count)
            trailing += 1
        }
        if !text.isEmpty {
            for _ in 0..<heldStrips { output.append(contentsOf: strip.content) }
            output.append(contentsOf: text)
            heldStrips = 0
        }
        heldStrips += trailing
        while heldStrips > strip.stop {
            output.append(contentsOf: strip.content)
            heldStrips -= 1
        }
    }
}
