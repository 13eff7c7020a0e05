// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsImages
import IdeficsTensor
import IdeficsTokenizers

extension IdeficsProcessor {
    /// Inputs for the ids of texts that already hold their image tokens, and the decoded images of each.
    package func prepare(rows: [[Int]], images: [[RGBImage]], options: Options) throws -> IdeficsInputs {
        var rows = rows
        if options.isTruncating, let maxLength = options.maxLength {
            rows = rows.map { Array($0.prefix(maxLength)) }
        }
        let longest = rows.map(\.count).max() ?? 0
        let length = options.padding == .maxLength ? max(options.maxLength ?? longest, longest) : longest
        if options.padding == .none, let short = rows.firstIndex(where: { $0.count != longest }) {
            throw IdeficsError.prompt(prompt: short, item: nil, reason: "rows differ in length and padding is off")
        }
        let slots = max(1, images.map(\.count).max() ?? 0)
        try checkSize(rows: rows.count, length: length, slots: slots, options: options)
        let isLeft = (options.paddingSide ?? tokenizer.paddingSide) == .left
        var inputIds: [Int] = []
        var attentionMask: [Int] = []
        for row in rows {
            let pads = Array(repeating: padTokenId, count: length - row.count)
            inputIds += isLeft ? pads + row : row + pads
            let real = Array(repeating: 1, count: row.count)
            let unreal = Array(repeating: 0, count: pads.count)
            attentionMask += isLeft ? unreal + real : real + unreal
        }
        let shape = [rows.count, length]
        return IdeficsInputs(
            inputIds: Tensor(inputIds, shape: shape),
            attentionMask: Tensor(attentionMask, shape: shape),
            imageAttentionMask: imageAttentionMask(
                inputIds,
                rows: rows.count,
                slots: slots,
                hasImages: images.contains { !$0.isEmpty }
            ),
            images: .pixelValues(
                try pixelValues(images, slots: slots, inputIds: inputIds, length: length, imageSize: options.imageSize)
            )
        )
    }

    /// Refuses a batch whose tensors would take too much, before anything of their size is allocated.
    private func checkSize(rows: Int, length: Int, slots: Int, options: Options) throws {
        let side = try imageProcessor.side(options.imageSize)
        // Rows, slots and side are those of things that are in memory; only the length can be any number.
        let perToken = (2 + slots) * MemoryLayout<Int>.size
        let pixels = slots * 3 * side * side * MemoryLayout<Float>.size
        let (tokens, overflow) = length.multipliedReportingOverflow(by: perToken)
        let byteCount = (Double(tokens) + Double(pixels)) * Double(rows)
        guard overflow || byteCount > Double(options.maxBatchBytes) else { return }
        let size = overflow ? "more bytes than can be counted" : "\(Int(byteCount / 1e6)) MB"
        throw IdeficsError.input(
            field: options.padding == .maxLength && length == options.maxLength ? "max_length" : "prompts",
            reason:
                "\(rows) rows of \(length) tokens and \(slots) images of \(side)×\(side) take \(size), more than the "
                + "\(options.maxBatchBytes / 1_000_000) MB of maxBatchBytes (--max-batch-bytes); pad to less "
                + "(--max-prompt-length) or give fewer prompts at once"
        )
    }

    /// Pixels of all rows, `[batch, slots, 3, size, size]`; as many of a row as it has image tokens, the rest zero.
    private func pixelValues(
        _ images: [[RGBImage]],
        slots: Int,
        inputIds: [Int],
        length: Int,
        imageSize: Int?
    ) throws -> Tensor {
        let size = try imageProcessor.side(imageSize)
        let imageFloats = 3 * size * size
        var placed: [(slot: Int, image: RGBImage)] = []
        for (row, rowImages) in images.enumerated() {
            let tokens = inputIds[row * length..<(row + 1) * length].count { $0 == imageTokenId }
            placed += rowImages.prefix(tokens).enumerated().map { (row * slots + $0, $1) }
        }
        let shape = [images.count, slots, 3, size, size]
        // One image after the other into its place: the whole batch is in memory once.
        return try Tensor(uninitialized: shape) { pointer in
            let count = images.count * slots * imageFloats
            let floats = pointer.initializeMemory(as: Float.self, repeating: 0, count: count)
            for (slot, image) in placed {
                let values = try imageProcessor.pixelValues(image, imageSize: imageSize)
                // SAFETY: `slot` is below images.count · slots, and an image has `imageFloats` values.
                values.withUnsafeBufferPointer { values in
                    guard let source = values.baseAddress else { return }
                    (floats + slot * imageFloats).update(from: source, count: imageFloats)
                }
            }
        }
    }

    /// Which image each token sees: the last one before it (itself included), none after an end of text until the next
    /// image; `[batch, tokens, slots]`, `i64`, or `bool` zeros when no row has an image, as in the reference.
    private func imageAttentionMask(_ inputIds: [Int], rows: Int, slots: Int, hasImages: Bool) -> Tensor {
        let length = rows == 0 ? 0 : inputIds.count / rows
        let shape = [rows, length, slots]
        guard hasImages else {
            return Tensor(uninitialized: shape, dtype: .bool) { pointer in
                pointer.initializeMemory(as: UInt8.self, repeating: 0, count: rows * length * slots)
            }
        }
        var mask = [Int](repeating: 0, count: rows * length * slots)
        for row in 0..<rows {
            var image = -1
            var isAfterEnd = false
            for column in 0..<length {
                let tokenId = inputIds[row * length + column]
                if tokenId == imageTokenId {
                    image += 1
                    isAfterEnd = false
                }
                if image >= 0 && image < slots && !isAfterEnd { mask[(row * length + column) * slots + image] = 1 }
                if tokenId == tokenizer.eosTokenId { isAfterEnd = true }
            }
        }
        return Tensor(mask, shape: shape)
    }
}
