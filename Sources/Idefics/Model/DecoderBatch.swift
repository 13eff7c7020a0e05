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

    /// Tokens of one sequence with the images each sees (indices into `images`).
    struct Sequence {
        var tokenIds: [Int]
        /// One list of image indices for each token.
        var imageIndices: [[Int]]
        var images: [ImageContext]
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
            while runStart < sequence.imageIndices.count {
                let indices = sequence.imageIndices[runStart]
                let runEnd =
                    sequence.imageIndices[runStart...].firstIndex { $0 != indices } ?? sequence.imageIndices.count
                let rows = start + runStart..<start + runEnd
                imageRuns.append(ImageRun(rows: rows, images: indices.map { sequence.images[$0] }))
                runStart = runEnd
            }
        }
        self.tokenIds = tokenIds
        self.positions = positions
        self.sequenceRows = sequenceRows
        self.imageRuns = imageRuns
    }
}
