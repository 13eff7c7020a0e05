// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Writes pickles opcode by opcode, wrong ones too.
struct PickleBuilder {
    var bytes: [UInt8]

    init(version: UInt8 = 2) {
        bytes = [0x80, version]
    }

    func op(_ code: Character, _ argument: [UInt8] = []) -> PickleBuilder {
        adding([code.asciiValue ?? 0] + argument)
    }

    func op(_ code: UInt8, _ argument: [UInt8] = []) -> PickleBuilder {
        adding([code] + argument)
    }

    func adding(_ more: [UInt8]) -> PickleBuilder {
        var result = self
        result.bytes += more
        return result
    }

    func global(_ module: String, _ name: String) -> PickleBuilder {
        op("c", Array("\(module)\n\(name)\n".utf8))
    }

    func string(_ text: String) -> PickleBuilder {
        op("X", UInt32(text.utf8.count).littleEndianBytes + text.utf8)
    }

    /// An int of any size, as LONG1.
    func int(_ value: Int) -> PickleBuilder {
        op(0x8A, [8] + value.littleEndianBytes)
    }

    func ints(_ values: [Int]) -> PickleBuilder {
        values.reduce(op("(")) { $0.int($1) }.op("t")
    }

    /// A storage, as torch's persistent id.
    func storage(_ key: String, type: String = "FloatStorage", count: Int) -> PickleBuilder {
        op("(").string("storage").global("torch", type).string(key).string("cpu").int(count).op("t").op("Q")
    }

    /// A tensor over the storage `key`.
    func tensor(
        _ key: String,
        type: String = "FloatStorage",
        count: Int,
        offset: Int = 0,
        shape: [Int],
        strides: [Int]
    ) -> PickleBuilder {
        global("torch._utils", "_rebuild_tensor_v2").op("(").storage(key, type: type, count: count)
            .int(offset).ints(shape).ints(strides).op(0x89).global("collections", "OrderedDict").op(")").op("R")
            .op("t").op("R")
    }

    /// A whole state dict of one entry named `w` that `value` pushes.
    static func stateDict(_ value: (PickleBuilder) -> PickleBuilder) -> [UInt8] {
        value(PickleBuilder().op("}").string("w")).op("s").op(".").bytes
    }
}
