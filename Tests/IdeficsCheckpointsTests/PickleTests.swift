// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTestSupport
import Testing

/// Pickles that try to run something, to exhaust memory, or to confuse the interpreter.
@Suite struct PickleTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func open(_ pickle: [UInt8]) throws -> PyTorchFile {
        let storage: [UInt8] = Array(repeating: 0, count: 8)
        let bytes = ZipBuilder.torch(pickle: pickle, storages: [("0", storage)]).bytes()
        return try PyTorchFile(try folder.write(bytes, "x.bin"))
    }

    private func expectForbidden(
        _ name: String,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ build: (PickleBuilder) -> PickleBuilder
    ) {
        let path = folder.url.appending(path: "x.bin").path
        #expect(throws: CheckpointError.forbiddenGlobal(file: path, name: name), sourceLocation: sourceLocation) {
            try open(build(PickleBuilder()).op(".").bytes)
        }
    }

    private func expectRefusal(
        _ reason: String,
        unsupported: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ build: (PickleBuilder) -> PickleBuilder
    ) {
        let error = #expect(throws: CheckpointError.self, sourceLocation: sourceLocation) {
            try open(build(PickleBuilder()).op(".").bytes)
        }
        switch error {
        case .malformed(let file, let field, let found) where !unsupported,
            .unsupported(let file, let field, let found) where unsupported:
            #expect(file.hasSuffix("x.bin"), sourceLocation: sourceLocation)
            #expect(field.hasPrefix("data.pkl"), sourceLocation: sourceLocation)
            #expect(found.contains(reason), sourceLocation: sourceLocation)
        default: Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
        }
    }

    // MARK: - Code

    @Test(arguments: [
        ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"),
        ("builtins", "exec"), ("builtins", "getattr"), ("__builtin__", "eval"), ("runpy", "_run_code"),
        ("torch", "load"), ("torch.serialization", "load"), ("torch._utils", "_rebuild_qtensor"),
        ("torch", "_utils._rebuild_tensor_v2"), ("torch._utils", "os.system"), ("collections", "defaultdict"),
        ("collections ", "OrderedDict"), ("Collections", "OrderedDict"), ("torch", "QInt8Storage"), ("", ""),
        ("torch.nn.parameter", "Parameter"), ("numpy.core.multiarray", "_reconstruct"), ("copyreg", "_reconstructor"),
    ])
    func otherGlobalsAreRefusedByName(_ module: String, _ name: String) {
        expectForbidden("\(module).\(name)") { $0.global(module, name).string("echo").op(0x85).op("R") }
        expectForbidden("\(module).\(name)") { $0.string(module).string(name).op(0x93).op(")").op("R") }
        // Names through the memo, as an attacker would hide them.
        expectForbidden("\(module).\(name)") {
            $0.string(name).op(0x94).op("0").string(module).op("h", [0]).op(0x93)
        }
    }

    @Test func hiddenAndUnusedGlobalsAreRefusedToo() {
        expectForbidden("os.system") { $0.global("os", "system").op("0").op("}") }
        expectForbidden("os.system") {
            $0.op("}").string("w").tensor("0", count: 2, shape: [2], strides: [1]).op("s").global("os", "system")
        }
        // As an argument of a call that is allowed.
        expectForbidden("os.system") {
            $0.global("torch._utils", "_rebuild_parameter").op("(").global("os", "system").op(0x88)
        }
    }

    @Test(arguments: [
        0x69, 0x6F, 0x81, 0x92, 0x82, 0x83, 0x84, 0x50, 0x49, 0x4C, 0x46, 0x53, 0x56, 0x54, 0x42, 0x43,
        0x8E, 0x8F, 0x90, 0x91, 0x96, 0x97, 0x98, 0x64, 0x6C, 0x70, 0x67, 0x32, 0x00, 0xFF,
    ])
    func otherOpcodesAreRefused(_ code: UInt8) {
        expectRefusal("opcode 0x\(String(code, radix: 16)) is not one", unsupported: true) {
            $0.op("}").op(code, [1, 0, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test func onlyKnownCallsAreUnderstood() {
        let dict = { (builder: PickleBuilder) in builder.global("collections", "OrderedDict") }
        expectRefusal("OrderedDict with arguments") { dict($0).op("]").op(0x85).op("R") }
        expectRefusal("calling a string with a tuple") { $0.string("os.system").op(")").op("R") }
        expectRefusal("calling a dict with a tuple") { $0.op("}").op(")").op("R") }
        expectRefusal("calling a function or type with a list") { dict($0).op("]").op("R") }
        expectRefusal("calling a storage or element type") { $0.global("torch", "FloatStorage").op(")").op("R") }
        expectRefusal("calling a storage or element type") { $0.global("torch", "float32").op(")").op("R") }
        expectRefusal("_rebuild_tensor_v2 with 0 arguments") {
            $0.global("torch._utils", "_rebuild_tensor_v2").op(")").op("R")
        }
        expectRefusal("_rebuild_tensor_v3 without an element type") {
            $0.global("torch._utils", "_rebuild_tensor_v3").op(")").op("R")
        }
        expectRefusal("_rebuild_parameter of what is no plain tensor") {
            $0.global("torch._utils", "_rebuild_parameter").op("}").op(0x88).op("}").op(0x87).op("R")
        }
        expectRefusal("a tensor made of other things") {
            $0.global("torch._utils", "_rebuild_tensor_v2").op("(").op("N").op("N").op("N").op("N").op("N").op("N")
                .op("t").op("R")
        }
    }

    @Test func attributesAreSetOnNothing() {
        let refusal = "setting attributes of what is no OrderedDict"
        expectRefusal(refusal) { $0.tensor("0", count: 2, shape: [2], strides: [1]).op("}").op("b") }
        expectRefusal(refusal) { $0.global("collections", "OrderedDict").op("}").op("b") }
        expectRefusal(refusal) { $0.op("}").string("__class__").op("b") }
        expectRefusal(refusal) { $0.op("}").op("N").op("}").op(0x86).op("b") }
        expectRefusal(refusal) { $0.op("}").op("(").op("}").op("b") }
        #expect(throws: Never.self) { try open(PickleBuilder().op("}").op("}").op("b").op(".").bytes) }
    }

    @Test func persistentIdsNameStorages() {
        let refusal = "a persistent id that names no storage"
        expectRefusal(refusal) { $0.op("N").op("Q") }
        expectRefusal(refusal) { $0.string("storage").op("Q") }
        expectRefusal(refusal) { $0.op(")").op("Q") }
        expectRefusal(refusal) { $0.storage("0", count: -1) }
        expectRefusal(refusal) {
            $0.op("(").string("module").global("torch", "FloatStorage").string("0").string("cpu").int(2).op("t").op("Q")
        }
        expectRefusal(refusal) {
            $0.op("(").string("storage").global("torch", "float32").string("0").string("cpu").int(2).op("t").op("Q")
        }
        expectRefusal(refusal) {
            $0.op("(").string("storage").string("torch.FloatStorage").string("0").string("cpu").int(2).op("t").op("Q")
        }
        expectRefusal("a tensor without an element type") {
            $0.global("torch._utils", "_rebuild_tensor_v2").op("(").op("(").string("storage")
                .global("torch.storage", "UntypedStorage").string("0").string("cpu").int(8).op("t").op("Q")
                .int(0).ints([2]).ints([1]).op(0x89).op("}").op("t").op("R")
        }
    }

    // MARK: - Memory and structure

    @Test func memoIndicesAreBounded() {
        expectRefusal("memo index 4294967295 is too large") { $0.op("}").op("r", [255, 255, 255, 255]) }
        expectRefusal("memo index 1048576 is too large") { $0.op("}").op("r", [0, 0, 16, 0]) }
        expectRefusal("memo index 7 is not set") { $0.op("h", [7]) }
        expectRefusal("memo index 4294967295 is not set") { $0.op("j", [255, 255, 255, 255]) }
        expectRefusal("memo index 0 is not set") { $0.op("}").op("q", [1]).op("h", [0]) }
        expectRefusal("nothing to memoize") { $0.op(0x94) }
        expectRefusal("nothing to memoize") { $0.op("N").op("(").op("q", [0]) }
    }

    @Test func lengthsAreBounded() {
        expectRefusal("ends early: 4294967295 bytes wanted") { $0.op("X", [255, 255, 255, 255]) }
        expectRefusal("is too large") { $0.op(0x8D, Array(repeating: 255, count: 8)) }
        expectRefusal("ends early") { $0.op(0x8D, [255, 255, 255, 255, 255, 255, 255, 127]) }
        expectRefusal("ends early") { $0.op(0x8C, [9]) }
        expectRefusal("an integer of 255 bytes") { $0.op(0x8A, [255]) }
        expectRefusal("an integer of 4294967295 bytes") { $0.op(0x8B, [255, 255, 255, 255]) }
        expectRefusal("not UTF-8") { $0.op("X", [1, 0, 0, 0, 255]) }
        expectRefusal("no line end within 256 bytes") { $0.op("c", Array(repeating: 97, count: 300)) }
        expectRefusal("no line end") { $0.op("c", [97]) }
        expectRefusal("bytes, more than 16777216") { $0.adding(Array(repeating: 0x4E, count: 16 << 20)) }
    }

    @Test func stacksAreBoundedAndNeverUnderflow() {
        expectRefusal("the stack is too high") { $0.adding(Array(repeating: 0x4E, count: 1 << 20 + 1)) }
        expectRefusal("too many marks") { $0.adding(Array(repeating: 0x28, count: 1 << 20 + 1)) }
        for code in [0x30, 0x85, 0x86, 0x87, 0x73, 0x61, 0x62, 0x51, 0x52, 0x93] as [UInt8] {
            expectRefusal("the stack is too short") { $0.op(code) }
            expectRefusal("the stack is too short") { $0.op("N").op("N").op("N").op("(").op(code) }
        }
        for code in [0x74, 0x65, 0x75, 0x31] as [UInt8] {
            expectRefusal("no mark") { $0.op("}").op(code) }
        }
        expectRefusal("leaves no single value") { $0 }
        expectRefusal("leaves no single value") { $0.op("}").op("}") }
        expectRefusal("leaves no single value") { $0.op("}").op("(") }
        expectRefusal("bytes after the end") { $0.op("}").op(".").op("}") }
    }

    @Test func itemsAreSetOnContainersOnly() {
        expectRefusal("setting items of what is no dict") { $0.op("]").op("N").op("N").op("s") }
        expectRefusal("setting items of what is no dict") { $0.op("N").op("N").op("s") }
        expectRefusal("setting items of what is no dict") { $0.op("}").op("(").op("(").op("u") }
        expectRefusal("a key without a value") { $0.op("}").op("(").op("N").op("u") }
        expectRefusal("appending to what is no list") { $0.op("}").op("N").op("a") }
        expectRefusal("appending to what is no list") { $0.op("(").op("N").op("e") }
    }

    @Test func onlyADictOfTensorsIsAStateDict() {
        expectRefusal("expected a dict of tensors, found a list") { $0.op("]") }
        expectRefusal("expected a dict of tensors, found None") { $0.op("N") }
        expectRefusal("expected a dict of tensors, found a tensor") {
            $0.tensor("0", count: 2, shape: [2], strides: [1])
        }
        expectRefusal("expected the name of a tensor, found an int") { $0.op("}").int(1).op("N").op("s") }
        expectRefusal("the name \"w\" appears twice") { builder in
            let tensor = { (builder: PickleBuilder) in
                builder.string("w").tensor("0", count: 2, shape: [2], strides: [1]).op("s")
            }
            return tensor(tensor(builder.op("}")))
        }
        let values: [(String, (PickleBuilder) -> PickleBuilder)] = [
            ("None", { $0.op("N") }), ("a bool", { $0.op(0x88) }), ("an int", { $0.int(-1) }),
            ("a float", { $0.op("G", [63, 240, 0, 0, 0, 0, 0, 0]) }), ("a string", { $0.string("x") }),
            ("a tuple", { $0.op(")") }), ("a list", { $0.op("]") }), ("a dict", { $0.op("}") }),
            ("a storage", { $0.storage("0", count: 2) }), ("a function or type", { $0.global("torch", "bool") }),
        ]
        for (kind, value) in values {
            expectRefusal("expected a tensor, found \(kind)", unsupported: true) {
                value($0.op("}").string("w")).op("s")
            }
        }
    }

    @Test func containersThatHoldThemselvesAreHarmless() {
        // d = {}; d["w"] = d
        expectRefusal("expected a tensor, found a dict", unsupported: true) {
            $0.op("}").op("q", [0]).string("w").op("h", [0]).op("s")
        }
        // l = []; l.append(l)
        expectRefusal("expected a dict of tensors, found a list") { $0.op("]").op("q", [0]).op("h", [0]).op("a") }
        // hooks = {hooks: hooks}
        expectRefusal("a tensor made of other things") {
            $0.op("}").op("q", [0]).op("h", [0]).op("h", [0]).op("s").op("0")
                .global("torch._utils", "_rebuild_tensor_v2").op("(").storage("0", count: 2).int(0).ints([2]).ints([1])
                .op(0x89).op("h", [0]).op("t").op("R")
        }
    }

    @Test func deepNestingIsHarmless() {
        expectRefusal("expected a dict of tensors, found a tuple") {
            $0.op(")").adding(Array(repeating: 0x85, count: 500_000))
        }
        expectRefusal("expected a dict of tensors, found a list") { builder in
            // [[[...]]] built from the inside out: push, then append to the one below.
            builder.adding(Array(repeating: 0x5D, count: 200_000)).adding(Array(repeating: 0x61, count: 199_999))
        }
        expectRefusal("a tensor made of other things") {
            $0.global("torch._utils", "_rebuild_tensor_v2").op("(").storage("0", count: 2).int(0)
                .ints(Array(repeating: 1, count: 33)).ints(Array(repeating: 1, count: 33)).op(0x89).op("}")
                .op("t").op("R")
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let pickle = PickleBuilder.stateDict { $0.tensor("0", count: 2, shape: [2], strides: [1]) }
        #expect(throws: Never.self) { try open(pickle) }
        for count in 0..<pickle.count {
            #expect(throws: CheckpointError.self) { try open(Array(pickle[..<count])) }
        }
    }

    @Test(arguments: [[], [0x80], [0x80, 1, 0x7D, 0x2E], [0x80, 6, 0x7D, 0x2E], [0x7D, 0x2E], [0x28, 0x64, 0x2E]])
    func otherProtocolsAreRefused(_ pickle: [UInt8]) {
        #expect(throws: CheckpointError.self) { try open(pickle) }
    }
}
