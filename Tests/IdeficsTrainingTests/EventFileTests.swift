// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// A reader of protocol buffers, written apart from the writer: fields as they come.
private struct Fields {
    var values: [(field: Int, value: Value)] = []

    enum Value {
        case integer(UInt64)
        case fixed([UInt8])
        case bytes([UInt8])
    }

    init?(_ bytes: [UInt8]) {
        var rest = bytes[...]
        func varint() -> UInt64? {
            var (value, shift) = (UInt64(0), UInt64(0))
            while let byte = rest.popFirst() {
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while !rest.isEmpty {
            guard let key = varint() else { return nil }
            let size: Int
            switch key & 7 {
            case 0:
                guard let value = varint() else { return nil }
                values.append((Int(key >> 3), .integer(value)))
                continue
            case 1: size = 8
            case 5: size = 4
            case 2:
                guard let length = varint() else { return nil }
                size = Int(length)
            default: return nil
            }
            guard rest.count >= size else { return nil }
            let content = Array(rest.prefix(size))
            rest = rest.dropFirst(size)
            values.append((Int(key >> 3), key & 7 == 2 ? .bytes(content) : .fixed(content)))
        }
    }

    func message(_ field: Int) -> Fields? { messages(field).first }

    func messages(_ field: Int) -> [Fields] {
        values.compactMap { if $0.field == field, case .bytes(let bytes) = $0.value { Fields(bytes) } else { nil } }
    }

    func string(_ field: Int) -> String? {
        for value in values where value.field == field {
            if case .bytes(let bytes) = value.value { return String(decoding: bytes, as: UTF8.self) }
        }
        return nil
    }

    func integer(_ field: Int) -> UInt64? {
        for value in values where value.field == field { if case .integer(let number) = value.value { return number } }
        return nil
    }

    func float(_ field: Int) -> Float? {
        for value in values where value.field == field {
            if case .fixed(let bytes) = value.value, bytes.count == 4 {
                return Float(bitPattern: bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) })
            }
        }
        return nil
    }
}

@Suite struct EventFileTests {
    private func events(_ folder: TemporaryFolder) throws -> [Fields] {
        let name = try #require(folder.fileNames.first)
        var rest = try Array(Data(contentsOf: folder.url.appending(path: name)))[...]
        var events: [Fields] = []
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        while !rest.isEmpty {
            try #require(rest.count >= 16)
            let length = Array(rest.prefix(8))
            rest = rest.dropFirst(8)
            #expect(number(rest.prefix(4)) == UInt64(EventFile.maskedChecksum(length)))
            rest = rest.dropFirst(4)
            let data = Array(rest.prefix(Int(number(length[...]))))
            rest = rest.dropFirst(data.count)
            #expect(number(rest.prefix(4)) == UInt64(EventFile.maskedChecksum(data)))
            rest = rest.dropFirst(4)
            events.append(try #require(Fields(data)))
        }
        return events
    }

    @Test func eventsAreReadBack() throws {
        let folder = try TemporaryFolder()
        let file = try EventFile(folder: folder.url, step: 7)
        try file.add(step: 300, [("train/loss", 1.5), ("train/lr", 1e-5)])
        try file.add(step: 301, tag: "sample/0", text: "größer")
        let events = try events(folder)
        try #require(events.count == 4)
        #expect(events[0].string(3) == "brain.Event:2")
        #expect(events[1].integer(2) == 7 && events[1].message(7)?.integer(1) == 1)
        let scalars = try #require(events[2].message(5)).messages(1)
        #expect(events[2].integer(2) == 300)
        #expect(scalars.map { $0.string(1) } == ["train/loss", "train/lr"])
        #expect(scalars.map { $0.float(2) } == [1.5, 1e-5])
        let text = try #require(events[3].message(5)?.message(1))
        #expect(text.string(1) == "sample/0" && text.message(8)?.string(8) == "größer")
        #expect(text.message(9)?.message(1)?.string(1) == "text")
    }

    @Test func curveIsAPictureWhateverTheNumbers() {
        func line(_ step: Int, _ loss: Double, _ eval: Double? = nil) -> StepMetrics {
            StepMetrics(
                step: step,
                epoch: 0,
                loss: loss,
                zLoss: 0,
                gradNorm: 0,
                learningRate: 0,
                tokens: 0,
                images: 0,
                paddingShare: 0,
                tokensPerSecond: 0,
                modelFlopsUtilization: 0,
                seconds: 0,
                skippedSteps: 0,
                evaluation: eval.map {
                    EvaluationMetrics(loss: $0, tokens: 1, answers: 0, rightAnswers: 0, mostCommonAnswers: 0)
                }
            )
        }
        #expect(LossCurve.svg([line(1, 3), line(2, 2, 2.5), line(3, 1)], title: "a<b").contains("a&lt;b"))
        for lines in [[], [line(1, .nan)], [line(5, 2)], (1...5000).map { line($0, 1 / Double($0), .infinity) }] {
            let svg = LossCurve.svg(lines, title: "")
            #expect(svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n"))
            #expect(
                ![">", ",", "\""].contains { svg.contains($0 + "nan") || svg.contains($0 + "inf") }
                    && svg.utf8.count < 60_000
            )
        }
    }
}
