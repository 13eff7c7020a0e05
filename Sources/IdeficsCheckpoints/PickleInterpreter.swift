// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A closed interpreter for the pickle of a `torch.save`d state dict, protocols 2 to 5.
///
/// It understands the operations that plain data, tensors and their storages need, and refuses every other opcode and
/// every global outside `PickleGlobal` by name. It imports, calls and builds nothing. Memory is bounded by the length
/// of the pickle, which is limited to 16 MiB (80,000 tensors).
struct PickleInterpreter {
    private var reader: FieldReader
    private let file: String
    private var stack: [PickleValue] = []
    /// Heights of the stack at the open marks.
    private var marks: [Int] = []
    private var memo: [PickleValue?] = []
    private var tuples: [[PickleValue]] = []
    private var lists: [[PickleValue]] = []
    private var dicts: [[(key: PickleValue, value: PickleValue)]] = []
    private var tensors: [PickledTensor] = []

    private static let maximumByteCount = 16 << 20
    private static let maximumStackHeight = 1 << 20
    private static let maximumMemoCount = 1 << 20
    private static let maximumNameLength = 256
    private static let field = "data.pkl"

    /// The tensors of the state dict in `bytes`, in its order.
    ///
    /// - Throws: `CheckpointError`.
    static func stateDict(
        _ bytes: UnsafeRawBufferPointer,
        file: String
    ) throws -> [(name: String, tensor: PickledTensor)] {
        guard bytes.count <= maximumByteCount else {
            throw CheckpointError.malformed(
                file: file,
                field: field,
                reason: "\(bytes.count) bytes, more than \(maximumByteCount)"
            )
        }
        var interpreter = PickleInterpreter(bytes, file: file)
        let root = try interpreter.run()
        return try interpreter.stateDict(from: root)
    }

    private init(_ bytes: UnsafeRawBufferPointer, file: String) {
        self.file = file
        reader = FieldReader(bytes, file: file, field: Self.field)
    }

    /// The entries of `root`, which must be a dict from names to tensors.
    private func stateDict(from root: PickleValue) throws -> [(name: String, tensor: PickledTensor)] {
        guard case .dict(let dict) = root else {
            throw reader.malformed("expected a dict of tensors, found \(root.kind)")
        }
        var names: Set<String> = []
        return try dicts[dict].map { key, value in
            guard case .string(let name) = key else {
                throw reader.malformed("expected the name of a tensor, found \(key.kind)")
            }
            guard names.insert(name).inserted else { throw reader.malformed("the name \"\(name)\" appears twice") }
            guard case .tensor(let tensor) = value else {
                throw CheckpointError.unsupported(
                    file: file,
                    field: "\(Self.field)[\"\(name)\"]",
                    reason: "expected a tensor, found \(value.kind); only plain state dicts are read"
                )
            }
            return (name, tensors[tensor])
        }
    }

    // MARK: - Running

    /// The value the pickle leaves.
    private mutating func run() throws -> PickleValue {
        let start = try reader.integer(UInt8.self)
        let version = try reader.integer(UInt8.self)
        guard start == 0x80, 2...5 ~= version else {
            throw reader.malformed("it does not begin as a pickle of protocol 2 to 5")
        }
        while true {
            reader.field = "\(Self.field) at byte \(reader.position)"
            let code = try reader.integer(UInt8.self)
            if code == UInt8(ascii: ".") { break }
            try execute(code)
        }
        guard reader.isAtEnd else { throw reader.malformed("bytes after the end of the pickle") }
        guard marks.isEmpty, stack.count == 1 else { throw reader.malformed("the pickle leaves no single value") }
        reader.field = Self.field
        return stack[0]
    }

    private mutating func execute(_ code: UInt8) throws {
        switch code {
        // Framing: frames only group reads.
        case 0x95: _ = try reader.integer(UInt64.self)

        // Constants.
        case UInt8(ascii: "N"): try push(.none)
        case 0x88: try push(.bool(true))
        case 0x89: try push(.bool(false))
        case UInt8(ascii: "K"): try push(.int(Int(try reader.integer(UInt8.self))))
        case UInt8(ascii: "M"): try push(.int(Int(try reader.integer(UInt16.self))))
        case UInt8(ascii: "J"): try push(.int(Int(try reader.integer(Int32.self))))
        case 0x8A: try push(.int(try long(Int(try reader.integer(UInt8.self)))))
        case 0x8B: try push(.int(try long(try reader.size(UInt32.self))))
        case UInt8(ascii: "G"): try push(.float(Double(bitPattern: try reader.integer(UInt64.self).byteSwapped)))
        case 0x8C: try push(.string(try reader.text(Int(try reader.integer(UInt8.self)))))
        case UInt8(ascii: "X"): try push(.string(try reader.text(try reader.size(UInt32.self))))
        case 0x8D: try push(.string(try reader.text(try reader.size(UInt64.self))))
        case UInt8(ascii: "U"): try push(.string(try reader.text(Int(try reader.integer(UInt8.self)))))

        // Containers.
        case UInt8(ascii: ")"): try pushTuple([])
        case 0x85: try pushTuple(try pop(1))
        case 0x86: try pushTuple(try pop(2))
        case 0x87: try pushTuple(try pop(3))
        case UInt8(ascii: "t"): try pushTuple(try popToMark())
        case UInt8(ascii: "]"):
            lists.append([])
            try push(.list(lists.count - 1))
        case UInt8(ascii: "a"): try append(try pop(1))
        case UInt8(ascii: "e"): try append(try popToMark())
        case UInt8(ascii: "}"): try pushDict()
        case UInt8(ascii: "s"): try setItems(try pop(2))
        case UInt8(ascii: "u"): try setItems(try popToMark())

        // Stack and memo.
        case UInt8(ascii: "("):
            guard marks.count < Self.maximumStackHeight else { throw reader.malformed("too many marks") }
            marks.append(stack.count)
        case UInt8(ascii: "0"): _ = try pop(1)
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "q"): try memoize(at: Int(try reader.integer(UInt8.self)))
        case UInt8(ascii: "r"): try memoize(at: try reader.size(UInt32.self))
        case 0x94: try memoize(at: memo.count)
        case UInt8(ascii: "h"): try push(try recall(Int(try reader.integer(UInt8.self))))
        case UInt8(ascii: "j"): try push(try recall(try reader.size(UInt32.self)))

        // Objects.
        case UInt8(ascii: "c"):
            let module = try reader.line(atMost: Self.maximumNameLength)
            try pushGlobal(module: module, name: try reader.line(atMost: Self.maximumNameLength))
        case 0x93:
            let names = try pop(2)
            guard case .string(let module) = names[0], case .string(let name) = names[1] else {
                throw reader.malformed("STACK_GLOBAL of \(names[0].kind) and \(names[1].kind)")
            }
            try pushGlobal(module: module, name: name)
        case UInt8(ascii: "Q"): try pushStorage(try pop(1)[0])
        case UInt8(ascii: "R"): try reduce()
        case UInt8(ascii: "b"): try build()
        default:
            throw CheckpointError.unsupported(
                file: file,
                field: reader.field,
                reason: "pickle opcode 0x\(String(code, radix: 16)) is not one that tensors need"
            )
        }
    }

    /// A little-endian two's complement integer of `count` bytes.
    private mutating func long(_ count: Int) throws -> Int {
        guard count <= 8 else { throw reader.malformed("an integer of \(count) bytes") }
        let bytes = try reader.take(count)
        var value = Int(truncatingIfNeeded: bytes.last.map { Int8(bitPattern: $0) < 0 ? -1 : 0 } ?? 0)
        for byte in bytes.reversed() { value = value << 8 | Int(byte) }
        return value
    }

    // MARK: - Stack and memo

    private mutating func push(_ value: PickleValue) throws {
        guard stack.count < Self.maximumStackHeight else { throw reader.malformed("the stack is too high") }
        stack.append(value)
    }

    /// The top `count` values, in the order they were pushed; never below an open mark.
    private mutating func pop(_ count: Int) throws -> [PickleValue] {
        guard stack.count - (marks.last ?? 0) >= count else { throw reader.malformed("the stack is too short") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark() throws -> [PickleValue] {
        guard let mark = marks.popLast() else { throw reader.malformed("no mark on the stack") }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func memoize(at index: Int) throws {
        guard stack.count > (marks.last ?? 0), let top = stack.last else {
            throw reader.malformed("nothing to memoize")
        }
        guard index < Self.maximumMemoCount else { throw reader.malformed("memo index \(index) is too large") }
        if index >= memo.count { memo += Array(repeating: nil, count: index + 1 - memo.count) }
        memo[index] = top
    }

    private func recall(_ index: Int) throws -> PickleValue {
        guard index < memo.count, let value = memo[index] else {
            throw reader.malformed("memo index \(index) is not set")
        }
        return value
    }

    // MARK: - Containers

    private mutating func pushTuple(_ values: [PickleValue]) throws {
        tuples.append(values)
        try push(.tuple(tuples.count - 1))
    }

    private mutating func pushDict() throws {
        dicts.append([])
        try push(.dict(dicts.count - 1))
    }

    private mutating func append(_ values: [PickleValue]) throws {
        guard stack.count > (marks.last ?? 0), case .list(let list) = stack.last else {
            throw reader.malformed("appending to what is no list")
        }
        lists[list] += values
    }

    private mutating func setItems(_ values: [PickleValue]) throws {
        guard stack.count > (marks.last ?? 0), case .dict(let dict) = stack.last else {
            throw reader.malformed("setting items of what is no dict")
        }
        guard values.count.isMultiple(of: 2) else { throw reader.malformed("a key without a value") }
        for index in stride(from: 0, to: values.count, by: 2) {
            dicts[dict].append((values[index], values[index + 1]))
        }
    }

    // MARK: - Objects

    private mutating func pushGlobal(module: String, name: String) throws {
        guard let global = PickleGlobal(module: module, name: name) else {
            throw CheckpointError.forbiddenGlobal(file: file, name: "\(module).\(name)")
        }
        try push(.global(global))
    }

    /// Takes the persistent id `("storage", type, key, device, count)`.
    private mutating func pushStorage(_ id: PickleValue) throws {
        guard case .tuple(let tuple) = id, tuples[tuple].count == 5,
            case .string("storage") = tuples[tuple][0], case .global(let type) = tuples[tuple][1],
            case .string(let key) = tuples[tuple][2], case .string = tuples[tuple][3],
            case .int(let count) = tuples[tuple][4], count >= 0
        else { throw reader.malformed("a persistent id that names no storage") }
        switch type {
        case .typedStorage(let dtype): try push(.storage(PickledStorage(key: key, dtype: dtype, count: count)))
        case .untypedStorage: try push(.storage(PickledStorage(key: key, dtype: nil, count: count)))
        default: throw reader.malformed("a persistent id that names no storage")
        }
    }

    private mutating func reduce() throws {
        let operands = try pop(2)
        guard case .global(let function) = operands[0], case .tuple(let tuple) = operands[1] else {
            throw reader.malformed("calling \(operands[0].kind) with \(operands[1].kind)")
        }
        let arguments = tuples[tuple]
        switch function {
        case .orderedDict:
            guard arguments.isEmpty else { throw reader.malformed("OrderedDict with arguments") }
            try pushDict()
        case .rebuildTensorV2:
            guard 6...7 ~= arguments.count else {
                throw reader.malformed("_rebuild_tensor_v2 with \(arguments.count) arguments")
            }
            try pushTensor(arguments[..<6], dtype: nil, state: arguments.dropFirst(6).first)
        case .rebuildTensorV3:
            guard 7...8 ~= arguments.count, case .global(.dtype(let dtype)) = arguments[6] else {
                throw reader.malformed("_rebuild_tensor_v3 without an element type")
            }
            try pushTensor(arguments[..<6], dtype: dtype, state: arguments.dropFirst(7).first)
        case .rebuildParameter:
            guard arguments.count == 3, case .tensor = arguments[0], case .bool = arguments[1],
                isEmptyDict(arguments[2])
            else { throw reader.malformed("_rebuild_parameter of what is no plain tensor") }
            try push(arguments[0])
        case .typedStorage, .untypedStorage, .dtype: throw reader.malformed("calling a storage or element type")
        }
    }

    /// Takes `(storage, offset, shape, strides, requires_grad, hooks)`.
    private mutating func pushTensor(
        _ arguments: ArraySlice<PickleValue>,
        dtype: StoredDType?,
        state: PickleValue?
    ) throws {
        guard case .storage(let storage) = arguments[0], case .int(let offset) = arguments[1],
            let shape = integers(arguments[2]), let strides = integers(arguments[3]),
            case .bool = arguments[4], isEmptyDict(arguments[5])
        else { throw reader.malformed("a tensor made of other things than storage, offset, shape and strides") }
        guard let dtype = dtype ?? storage.dtype else { throw reader.malformed("a tensor without an element type") }
        if let state, !isEmptyDict(state) {
            throw CheckpointError.unsupported(
                file: file,
                field: reader.field,
                reason: "a tensor that is a conjugate or negative view"
            )
        }
        tensors.append(
            PickledTensor(storage: storage, dtype: dtype, offset: offset, shape: shape, strides: strides)
        )
        try push(.tensor(tensors.count - 1))
    }

    /// Drops the attributes of a dict: modules hang their `_metadata` on the state dict, which no tensor needs.
    private mutating func build() throws {
        let state = try pop(1)[0]
        guard case .dict = state, stack.count > (marks.last ?? 0), case .dict = stack.last else {
            throw reader.malformed("setting attributes of what is no OrderedDict")
        }
    }

    private func isEmptyDict(_ value: PickleValue) -> Bool {
        if case .dict(let dict) = value { dicts[dict].isEmpty } else { false }
    }

    /// The elements of a tuple of at most 32 integers.
    private func integers(_ value: PickleValue) -> [Int]? {
        guard case .tuple(let tuple) = value, tuples[tuple].count <= SafetensorsHeader.maximumRank else { return nil }
        let numbers = tuples[tuple].compactMap { if case .int(let number) = $0 { number } else { nil } }
        return numbers.count == tuples[tuple].count ? numbers : nil
    }
}
