// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What a SentencePiece `tokenizer.model` says, as far as BPE tokenizers need it.
struct SentencePieceModel {
    /// `ModelProto.SentencePiece.Type`.
    enum PieceType: UInt64 {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// A piece; its id is its position.
    struct Piece {
        var text: [UInt8]
        var score: Float = 0
        var type = PieceType.normal
    }

    /// The longest known pieces have 93 bytes; finding the merges takes time with the square of the length.
    static let maximumPieceLength = 256

    let file: String
    var pieces: [Piece] = []
    var modelType: UInt64 = 1
    var byteFallback = false
    var treatsSpaceAsSuffix = false
    var unknownId = 0
    var bosId = 1
    var eosId = 2
    var padId = -1
    var normalizerName = ""
    var hasCharacterMap = false
    var addDummyPrefix = true
    var removeExtraSpaces = true
    var escapeSpaces = true

    /// Reads the file; says nothing yet about whether its settings are supported.
    init(_ bytes: [UInt8], file: String) throws {
        self.file = file
        try bytes.withUnsafeBytes { try read(ProtobufReader(file: file, bytes: $0)) }
    }

    private mutating func read(_ model: ProtobufReader) throws {
        var reader = model
        while let (number, value) = try reader.next() {
            guard 1...5 ~= number, number != 4 else { continue }
            guard case .bytes(let bytes) = value else {
                throw TokenizerError.invalidField(file: file, field: "field \(number)", reason: "is no message")
            }
            let message = reader.message(bytes)
            switch number {
            case 1: try readPiece(message)
            case 2: try readTrainer(message)
            case 3: try readNormalizer(message)
            default: try readDenormalizer(message)
            }
        }
    }

    private mutating func readPiece(_ message: ProtobufReader) throws {
        var message = message
        var piece: Piece?
        var score: Float = 0
        var type = PieceType.normal
        while let (number, value) = try message.next() {
            switch (number, value) {
            case (1, .bytes(let bytes)): piece = Piece(text: Array(bytes))
            case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
            case (3, .varint(let raw)):
                guard let known = PieceType(rawValue: raw) else { throw invalid("type \(raw)") }
                type = known
            case (1...3, _): throw invalid("field \(number) has the wrong type")
            default: break
            }
        }
        guard var piece, !piece.text.isEmpty else { throw invalid("an empty piece") }
        guard isValidUTF8(piece.text) else { throw invalid("invalid UTF-8") }
        guard score.isFinite else { throw invalid("the score is not a number") }
        guard type != .unused else {
            throw TokenizerError.unsupported(file: file, field: piecePath, name: "an unused piece")
        }
        guard type != .normal || piece.text.count <= Self.maximumPieceLength else {
            throw TokenizerError.unsupported(
                file: file,
                field: piecePath,
                name: "a piece of more than \(Self.maximumPieceLength) bytes"
            )
        }
        guard pieces.count < 16_000_000 else { throw invalid("too many pieces") }
        piece.score = score
        piece.type = type
        pieces.append(piece)
    }

    private mutating func readTrainer(_ message: ProtobufReader) throws {
        var message = message
        while let (number, value) = try message.next() {
            guard case .varint(let raw) = value else { continue }
            switch number {
            case 3: modelType = raw
            case 24: treatsSpaceAsSuffix = raw != 0
            case 35: byteFallback = raw != 0
            case 40: unknownId = Self.int32(raw)
            case 41: bosId = Self.int32(raw)
            case 42: eosId = Self.int32(raw)
            case 43: padId = Self.int32(raw)
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ message: ProtobufReader) throws {
        var message = message
        while let (number, value) = try message.next() {
            switch (number, value) {
            case (1, .bytes(let bytes)): normalizerName = String(decoding: bytes, as: UTF8.self)
            case (2, .bytes(let bytes)): hasCharacterMap = !bytes.isEmpty
            case (3, .varint(let raw)): addDummyPrefix = raw != 0
            case (4, .varint(let raw)): removeExtraSpaces = raw != 0
            case (5, .varint(let raw)): escapeSpaces = raw != 0
            default: break
            }
        }
    }

    private func readDenormalizer(_ message: ProtobufReader) throws {
        var message = message
        while let (number, value) = try message.next() {
            if number == 2, case .bytes(let bytes) = value, !bytes.isEmpty {
                throw TokenizerError.unsupported(file: file, field: "denormalizer_spec", name: "a character map")
            }
        }
    }

    private static func int32(_ raw: UInt64) -> Int {
        Int(Int32(truncatingIfNeeded: raw))
    }

    private var piecePath: String { "pieces[\(pieces.count)]" }

    private func invalid(_ reason: String) -> TokenizerError {
        .invalidField(file: file, field: piecePath, reason: reason)
    }
}
