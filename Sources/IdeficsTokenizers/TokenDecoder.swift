// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// How tokens become text again; the settings of a `DetokenizerState`.
struct TokenDecoder: Sendable, Equatable {
    /// What is done to the text of all tokens together.
    struct Strip: Sendable, Equatable {
        var content: [UInt8]
        var start: Int
        var stop: Int
    }

    /// A mark that becomes a space, in the first token nothing if `dropsFirst`.
    struct Metaspace: Sendable, Equatable {
        var mark: [UInt8]
        var dropsFirst: Bool
    }

    /// A replacement inside each token.
    struct Replacement: Sendable, Equatable {
        var pattern: [UInt8]
        var content: [UInt8]
    }

    /// Tokens are bytes in GPT-2's alphabet; nothing else then applies.
    var isByteLevel = false
    var replacements: [Replacement] = []
    /// SentencePiece's mark for a space, as Metaspace has it.
    var metaspace: Metaspace?
    /// `<0x0A>` stands for a byte.
    var byteFallback = false
    var strip: Strip?
    /// Put between tokens; a space if the file names no decoder.
    var separator: [UInt8] = []
}

// MARK: - tokenizer.json

extension TokenDecoder {
    /// Reads the `decoder` of `tokenizer.json`.
    ///
    /// Supported is what can be done token by token: replacements, then byte fallback, then fusing, then one strip.
    init(_ field: JSONField?) throws {
        guard let field else {
            separator = [UInt8(ascii: " ")]
            return
        }
        var stage = Stage.tokens
        try append(field, &stage)
        if strip != nil, stage != .text { throw field.unsupported("Strip without Fuse before it") }
    }

    /// How far the steps read so far have gone; steps must come in this order.
    private enum Stage: Int {
        case tokens
        case bytes
        case text
        case stripped
    }

    private mutating func append(_ field: JSONField, _ stage: inout Stage) throws {
        let type = try field.required("type")
        let name = try type.string()
        func need(_ latest: Stage) throws {
            if isByteLevel || stage.rawValue > latest.rawValue {
                throw type.unsupported("decoder \(name) in this place")
            }
        }
        switch name {
        case "Sequence":
            for element in try field.required("decoders").elements() { try append(element, &stage) }
        case "ByteLevel":
            try need(.tokens)
            if !replacements.isEmpty || metaspace != nil { throw type.unsupported("decoder ByteLevel in this place") }
            isByteLevel = true
        case "Replace":
            try need(.tokens)
            let pattern = try field.required("pattern")
            guard let text = pattern["String"], try !text.utf8().isEmpty else {
                throw pattern.unsupported("a pattern that is no String")
            }
            replacements.append(.init(pattern: try text.utf8(), content: try field.required("content").utf8()))
            if metaspace != nil { throw type.unsupported("decoder Replace after Metaspace") }
            guard replacements.count <= Normalizer.maximumSteps else {
                throw type.unsupported("more than \(Normalizer.maximumSteps) decoders Replace")
            }
            var expansion = 1
            for step in replacements where expansion <= Normalizer.maximumExpansion {
                expansion *= Normalizer.expansion(step.pattern, step.content)
            }
            guard expansion <= Normalizer.maximumExpansion else {
                throw field.invalid("makes the text more than \(Normalizer.maximumExpansion) times longer")
            }
        case "Metaspace":
            try need(.tokens)
            if metaspace != nil { throw type.unsupported("a second decoder Metaspace") }
            let setting = try MetaspaceField(field)
            metaspace = Metaspace(mark: setting.replacement, dropsFirst: setting.scheme != .never)
        case "ByteFallback":
            try need(.tokens)
            byteFallback = true
            stage = .bytes
        case "Fuse":
            try need(.text)
            stage = .text
        case "Strip":
            if strip != nil || stage != .text { throw type.unsupported("decoder Strip in this place") }
            strip = try Self.strip(field)
        default:
            throw type.unsupported("decoder \(name)")
        }
    }

    private static func strip(_ field: JSONField) throws -> Strip {
        let content = try field.required("content").utf8()
        guard let lead = content.first, utf8Length(lead: lead) == content.count else {
            throw field.invalid("content must be one character")
        }
        let counts = try ["start", "stop"].map { try field.required($0).integer() }
        guard counts.allSatisfy({ 0...1024 ~= $0 }) else { throw field.invalid("start and stop must be 0 to 1024") }
        return Strip(content: content, start: counts[0], stop: counts[1])
    }
}
