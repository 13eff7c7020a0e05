// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension RGBImage {
    /// The upright image, for an EXIF orientation of 1...8; other values change nothing.
    package func oriented(_ orientation: Int) -> RGBImage {
        guard (2...8).contains(orientation) else { return self }
        let swapsAxes = orientation >= 5
        let newWidth = swapsAxes ? height : width
        let newHeight = swapsAxes ? width : height
        // Source pixel of output (x, y) = origin + x · stepX + y · stepY, in pixels.
        let right = 1
        let down = width
        let lastColumn = (width - 1) * right
        let lastRow = (height - 1) * down
        let (origin, stepX, stepY): (Int, Int, Int) =
            switch orientation {
            case 2: (lastColumn, -right, down)  // mirrored left to right
            case 3: (lastColumn + lastRow, -right, -down)  // rotated by half a turn
            case 4: (lastRow, right, -down)  // mirrored top to bottom
            case 5: (0, down, right)  // transposed
            case 6: (lastRow, -down, right)  // needs a quarter turn clockwise
            case 7: (lastColumn + lastRow, -down, -right)  // transversed
            default: (lastColumn, down, -right)  // 8: needs a quarter turn counter-clockwise
            }
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { out, count in
            pixels.withUnsafeBufferPointer { pixels in
                var next = 0
                for y in 0..<newHeight {
                    var source = 3 * (origin + y * stepY)
                    for _ in 0..<newWidth {
                        out[next] = pixels[source]
                        out[next + 1] = pixels[source + 1]
                        out[next + 2] = pixels[source + 2]
                        next += 3
                        source += 3 * stepX
                    }
                }
            }
            count = pixels.count
        }
        return RGBImage(uncheckedWidth: newWidth, height: newHeight, pixels: turned)
    }
}
