// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension FixedWidthInteger {
    var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian, Array.init) }
}
