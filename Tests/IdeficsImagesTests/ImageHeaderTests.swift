// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import IdeficsTestSupport
import Testing

/// The look at an image that reads only its beginning.
@Suite struct ImageHeaderTests {
    /// What is decoded passes, and its size is known: one pixel less is too few.
    @Test func declaredSizesAreThoseDecoded() async throws {
        var found = 0
        for folder in ["processor/images", "images-extra"] {
            for url in try FileManager.default.contentsOfDirectory(
                at: Fixtures.url(folder),
                includingPropertiesForKeys: nil
            ) {
                let source = ImageSource.file(url)
                guard let image = try? await source.load() else { continue }
                try source.check(limits: ImageLimits())
                guard url.pathExtension != "gif" else { continue }
                let pixels = image.width * image.height
                #expect(throws: Never.self, "\(url.lastPathComponent)") {
                    try source.check(limits: ImageLimits(maxPixels: pixels))
                }
                #expect(throws: ImageError.self, "\(url.lastPathComponent)") {
                    try source.check(limits: ImageLimits(maxPixels: pixels - 1))
                }
                found += 1
            }
        }
        #expect(found > 8)
    }

    /// Messages may be about a file that a stranger named: they tell its kind, never its bytes.
    @Test func whatIsNoImageIsNotQuoted() throws {
        let folder = try TemporaryFolder()
        for (text, part) in [("secret words", ")"), ("%PDF-1.7", "PDF"), ("<html>", "HTML"), ("", "empty")] {
            try folder.write(Array(text.utf8), "file")
            let source = ImageSource.file(folder.url.appending(path: "file"))
            let error = #expect(throws: ImageError.self) { try source.check(limits: ImageLimits()) }
            let message = "\(String(describing: error.map { "\($0)" }))"
            #expect(message.contains(part) && !message.contains("secret") && !message.contains("73 65"), "\(message)")
        }
        let missing = ImageSource.file(folder.url.appending(path: "none"))
        #expect(throws: ImageError.self) { try missing.check(limits: ImageLimits()) }
    }
}
