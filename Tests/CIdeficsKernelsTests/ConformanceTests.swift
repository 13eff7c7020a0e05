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
    static let instructionSets = (0..<IDF_ISA_COUNT.rawValue).map { idf_isa(rawValue: $0) }
        .filter { idf_isa_available($0) != 0 }

    @Test(arguments: instructionSets)
    func holds(instructionSet: idf_isa) throws {
        let run = try ProductRun("CIdeficsConformance", ["\(String(cString: idf_isa_name(instructionSet))) "])
        let lines = run.output.split(separator: "\n")
        #expect(run.status == 0 && !run.isSignalled, "\(run.errors)")
        for failure in lines where failure.hasPrefix("FAILED") { Issue.record("\(failure)") }
        let expected = idf_isa_is_products_only(instructionSet) != 0 ? 11 : 27
        #expect(lines.count { $0.hasPrefix("ok") } >= expected, "\(run.output)")
    }

    @Test func unknownChecksAreNotCountedAsPassed() throws {
        let run = try ProductRun("CIdeficsConformance", ["no such check"])
        #expect(run.output == "0 checks, 0 failed\n")
    }
}
