// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import BackendConformance
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Both devices there are compute what loops compute.
@Suite struct ConformanceTests {
    @Test(arguments: ConformanceCase.all)
    func mainMemory(item: ConformanceCase) {
        #expect(item.worstError(on: .cpu) <= item.tolerance, "\(item)")
    }

    @Test(arguments: ConformanceCase.all)
    func deferred(item: ConformanceCase) {
        let second = DeferredDevice()
        #expect(item.worstError(on: second.device) <= item.tolerance, "\(item)")
        #expect(second.operationCount > 0, "nothing was done on the device")
    }

    /// The comparison itself: a device that is wrong is found out, and so is a result in the wrong place.
    @Test func wrongResultsAreErrors() {
        let second = DeferredDevice()
        let wrong = DeferredDevice()
        #expect(ConformanceCase.all.count > 100)
        // A device whose results are those of another does not conform, whatever they are.
        let elsewhere = ConformanceCase("of another device") { _ in
            [.init(Tensor([1], shape: [1]).to(wrong.device), [1])]
        }
        #expect(elsewhere.worstError(on: second.device) == .infinity)
        let shorter = ConformanceCase("too short") { [.init(Tensor.zeros([1], on: $0), [0, 0])] }
        #expect(shorter.worstError(on: second.device) == .infinity)
        let nan = ConformanceCase("no number") { [.init(Tensor([Float.nan], shape: [1]).to($0), [0])] }
        #expect(nan.worstError(on: second.device) == .infinity)
        let off = ConformanceCase("off by a quarter") { [.init(Tensor([2.5], shape: [1]).to($0), [2])] }
        #expect(off.worstError(on: second.device) == 0.25)
    }
}
