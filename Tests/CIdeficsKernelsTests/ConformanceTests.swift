// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsConformance
import CIdeficsKernels
import Testing

/// One check of the conformance library on one instruction set of this machine.
struct ConformanceCase: Sendable, CustomTestStringConvertible {
    let index: Int32
    let isa: idf_isa

    static let all: [ConformanceCase] = {
        let instructionSets = [IDF_ISA_REFERENCE, IDF_ISA_AVX2, IDF_ISA_AVX512, IDF_ISA_NEON]
        return instructionSets.filter { idf_isa_available($0) != 0 }.flatMap { isa in
            (0..<idf_conformance_count()).map { ConformanceCase(index: $0, isa: isa) }
        }
    }()

    var testDescription: String {
        "\(String(cString: idf_conformance_name(index))) on \(String(cString: idf_isa_name(isa)))"
    }
}

// The checks choose the instruction set and the thread count of the whole process: one at a time.
@Suite(.serialized)
struct ConformanceTests {
    @Test(arguments: ConformanceCase.all)
    func holds(_ item: ConformanceCase) {
        var message = [CChar](repeating: 0, count: 512)
        let passed = idf_conformance_run(item.index, item.isa, &message, message.count)
        let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #expect(passed == 1, "\(text)")
    }

    @Test
    func unknownCheckIsRefused() {
        var message = [CChar](repeating: 0, count: 64)
        #expect(idf_conformance_run(-1, IDF_ISA_REFERENCE, &message, message.count) == 0)
        #expect(idf_conformance_run(idf_conformance_count(), IDF_ISA_REFERENCE, &message, message.count) == 0)
        #expect(message[0] != 0)
    }
}
