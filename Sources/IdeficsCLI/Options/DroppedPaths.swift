// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsImages

/// Images by the names that a person types, or that a terminal types when files are dropped on it.
///
/// Terminals type a space after the path, put quotes around it, write backslashes before spaces, or type a `file:` URL; of
/// several files they type several words. A file that really has the name as it stands wins.
enum DroppedPaths {
    /// The images that `text` means; those that do not exist are told when they are loaded.
    ///
    /// - Parameter text: what stands after a command and one space, as `PathBytes` has it.
    /// - Returns: the images, at least one unless `text` is blank.
    static func sources(_ text: String) -> [ImageSource] {
        let trimmed = trimmingSpaces(text)
        guard !trimmed.isEmpty else { return [] }
        for name in [text, trimmed] {
            if let file = existingFile(name) { return [.file(file)] }
        }
        if let source = source(trimmed) { return [source] }
        guard let words = shellWords(trimmed), !words.isEmpty else { return [ImageSource(trimmed)] }
        let sources = words.compactMap(source)
        if sources.count == words.count { return sources }
        return [ImageSource(words.count == 1 ? words[0] : trimmed)]
    }

    /// The file that is there, or the URL, called `word`.
    private static func source(_ word: String) -> ImageSource? {
        if let file = existingFile(word) { return .file(file) }
        if let file = URL(localFileURL: word) { return Files.exists(file) ? .file(file) : nil }
        switch ImageSource(word) {
        case .file: return nil
        case let source: return source
        }
    }

    /// The file called `name`, which may begin at the home folder.
    private static func existingFile(_ name: String) -> URL? {
        let url = URL(localPath: name)
        if Files.exists(url) { return url }
        guard name.hasPrefix("~/"), let home = PathBytes.environment["HOME"] else { return nil }
        let atHome = URL(localPath: home + name.dropFirst())
        return Files.exists(atHome) ? atHome : nil
    }

    private static func trimmingSpaces(_ text: String) -> String {
        var scalars = Substring(text).unicodeScalars
        func isSpace(_ scalar: Unicode.Scalar?) -> Bool {
            scalar.flatMap { UInt8(exactly: $0.value) }.map(ChatLine.isSpace) ?? false
        }
        while isSpace(scalars.first) { scalars.removeFirst() }
        while isSpace(scalars.last) { scalars.removeLast() }
        return String(scalars)
    }

    /// The words of `text` as a shell reads them, nothing being replaced; nil where a quotation does not end.
    static func shellWords(_ text: String) -> [String]? {
        var words: [String] = []
        var word = String.UnicodeScalarView()
        // Quotes with nothing between them are a word, too.
        var isInWord = false
        var quote: Unicode.Scalar?
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if isEscaped {
                // Between double quotes a backslash stands for itself before most characters.
                if quote == "\"", !["\"", "\\", "$", "`"].contains(scalar) { word.append("\\") }
                word.append(scalar)
                isEscaped = false
            } else if scalar == "\\", quote != "'" {
                (isEscaped, isInWord) = (true, true)
            } else if let open = quote {
                if scalar == open { quote = nil } else { word.append(scalar) }
            } else if scalar == "'" || scalar == "\"" {
                (quote, isInWord) = (scalar, true)
            } else if let byte = UInt8(exactly: scalar.value), ChatLine.isSpace(byte) {
                if isInWord { words.append(String(word)) }
                (word, isInWord) = (.init(), false)
            } else {
                word.append(scalar)
                isInWord = true
            }
        }
        guard quote == nil, !isEscaped else { return nil }
        return isInWord ? words + [String(word)] : words
    }
}
