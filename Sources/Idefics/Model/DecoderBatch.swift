// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// New tokens of several sequences for one pass of the decoder, one sequence after the other, without padding.
struct DecoderBatch: Sendable {
    /// Ids of all tokens.
    let tokenIds: [Int]
    /// Position of each token in its sequence.
    let positions: [Int32]
    /// Rows of each sequence.
    let sequenceRows: [Range<Int>]
    /// Which rows see which images.
    let imageRuns: [ImageRun]

    /// New tokens of one sequence with the images each sees.
    struct Sequence {
        var tokenIds: [Int]
        /// One list of images for each token.
        var images: [[EncodedImage]]
        /// Tokens that precede these in the cache.
        var past: Int
    }

    /// Lays out `sequences`.
    init(_ sequences: [Sequence]) {
        var tokenIds: [Int] = []
        var positions: [Int32] = []
        var sequenceRows: [Range<Int>] = []
        var imageRuns: [ImageRun] = []
        for sequence in sequences {
            let start = tokenIds.count
            tokenIds += sequence.tokenIds
            positions += sequence.tokenIds.indices.map { Int32(sequence.past + $0) }
            sequenceRows.append(start..<tokenIds.count)
            var runStart = 0
            while runStart < sequence.images.count {
                let images = sequence.images[runStart]
                let runEnd =
                    sequence.images[runStart...].firstIndex { !isSame($0, images) } ?? sequence.images.count
                imageRuns.append(ImageRun(rows: start + runStart..<start + runEnd, images: images))
                runStart = runEnd
            }
        }
        self.tokenIds = tokenIds
        self.positions = positions
        self.sequenceRows = sequenceRows
        self.imageRuns = imageRuns
    }
}

/// Whether both lists hold the same images in the same order.
func isSame(_ a: [EncodedImage], _ b: [EncodedImage]) -> Bool {
    a.elementsEqual(b) { $0 === $1 }
}
