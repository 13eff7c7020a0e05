// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Where a run's numbers go.
///
/// They matter less than the run: what a sink cannot write while the run goes on (a full disk) is left out, or written when
/// there is room again. A sink is made anew when a run goes on; what was written of later steps did not happen.
public protocol MetricsSink {
    /// Adds a line.
    ///
    /// - Throws: what writing throws; the run goes on.
    func add(_ line: StepMetrics) throws

    /// Adds a text, such as what the model wrote.
    ///
    /// - Throws: what writing throws; the run goes on.
    func add(step: Int, tag: String, text: String) throws

    /// Makes sure that what was added outlives the machine, as what belongs to a checkpoint is to be when it is there.
    ///
    /// - Throws: what writing throws; the run goes on.
    func flush() throws

    /// Ends a run that came to its last step.
    ///
    /// - Throws: what writing throws; the run's result is written all the same.
    func finish() throws
}

extension MetricsSink {
    /// Texts are left out.
    public func add(step: Int, tag: String, text: String) throws {}
    /// Nothing waits.
    public func flush() throws {}
    /// Nothing is left to do.
    public func finish() throws {}
}
