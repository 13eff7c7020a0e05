// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsKernels
import IdeficsTestSupport
import Testing

/// Every operation on every instruction set of this machine against the reference loops.
///
/// The checks run in a process of their own: they choose the instruction set and the thread count for all of it.
@Suite(.serialized)
struct ConformanceTests {
    static let instructionSets = [IDF_ISA_REFERENCE, IDF_ISA_AVX2, IDF_ISA_AVX512, IDF_ISA_NEON]
        .filter { idf_isa_available($0) != 0 }
        .map { String(cString: idf_isa_name($0)) }

    @Test(arguments: instructionSets)
    func holds(instructionSet: String) throws {
        let run = try ProductRun("CIdeficsConformance", [instructionSet])
        let lines = run.output.split(separator: "\n")
        #expect(run.status == 0 && !run.isSignalled, "\(run.errors)")
        for failure in lines where failure.hasPrefix("FAILED") { Issue.record("\(failure)") }
        #expect(lines.count { $0.hasPrefix("ok") } >= 25, "\(run.output)")
    }

    @Test func unknownChecksAreNotCountedAsPassed() throws {
        let run = try ProductRun("CIdeficsConformance", ["no such check"])
        #expect(run.output == "0 checks, 0 failed\n")
    }
}
