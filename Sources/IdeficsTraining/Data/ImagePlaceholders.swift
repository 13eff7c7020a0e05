// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics

/// Puts the images of a list beside texts where their placeholders stand.
///
/// Placeholders are items `{"type": "image"}` that name no image; where there are none, `<image>` in the texts, which
/// takes a line break with it when it stands on a line of its own. Without such a list `<image>` is text.
///
/// - Parameters:
///   - images: the list; nil when there is none.
///   - parts: the texts and images of each turn.
///   - first: the part at whose beginning the images stand when there is no placeholder.
/// - Returns: `parts` without placeholders.
/// - Throws: `ExampleProblem` when there are more or fewer images than places for them.
func placing(
    _ images: [String]?,
    in parts: [[PromptItemJSON.Piece]],
    otherwiseBefore first: Int
) throws -> [[PromptItemJSON.Piece]] {
    let hasItems = parts.joined().contains(.placeholder)
    guard let images else {
        if hasItems { throw ExampleProblem("an item of type image names no image, and there is no list \"images\"") }
        return parts
    }
    var parts = hasItems ? parts : parts.map { $0.flatMap(split) }
    let places = parts.joined().count { $0 == .placeholder }
    if places == 0, !images.isEmpty {
        guard parts.indices.contains(first), !parts.joined().contains(where: \.isImage) else {
            throw ExampleProblem("has images in its items and \(images.count) more in a list, without placeholders")
        }
        parts[first].insert(contentsOf: images.map { .image($0) }, at: 0)
        return parts
    }
    guard places == images.count else {
        let what = hasItems ? "items of type image" : "<image>"
        throw ExampleProblem("has \(places) \(what) for \(images.count) images in its list")
    }
    var rest = images[...]
    return parts.map { part in
        part.map { piece in piece == .placeholder ? rest.popFirst().map { .image($0) } ?? piece : piece }
    }
}

/// A text at its `<image>`; others as they are.
private func split(_ piece: PromptItemJSON.Piece) -> [PromptItemJSON.Piece] {
    guard case .text(let text) = piece else { return [piece] }
    let texts = text.parts(betweenUTF8: "<image>").map(\.unicodeScalars)
    guard texts.count > 1 else { return [piece] }
    let lineBreak: Unicode.Scalar = "\n"
    var pieces: [PromptItemJSON.Piece] = []
    var isAtLineStart = true
    for (index, text) in texts.enumerated() {
        var words = text[...]
        if index > 0, isAtLineStart, words.first == lineBreak { words = words.dropFirst() }
        if let last = text.last { isAtLineStart = last == lineBreak }
        // On the last line it is the break before it that goes.
        if index + 2 == texts.count, texts[index + 1].isEmpty, words.last == lineBreak { words = words.dropLast() }
        if !words.isEmpty { pieces.append(.text(String(words))) }
        if index + 1 < texts.count { pieces.append(.placeholder) }
    }
    return pieces
}

extension PromptItemJSON.Piece {
    fileprivate var isImage: Bool { if case .image = self { true } else { false } }
}
