// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Everything that changes in a run: with the recipe it decides all that follows, bit for bit.
public struct TrainingState: Sendable {
    /// What is trained, with what the optimizer remembers of it.
    public var parameters: any ParameterStore
    /// The numbers beside it.
    public var progress: Progress

    /// The numbers of a state.
    public struct Progress: Sendable, Equatable, Codable {
        /// Steps done, those left out included: what the schedule counts.
        public var step = 0
        /// Steps whose update was made: what AdamW's correction counts.
        public var updates = 0
        /// Where in the data the next step begins.
        public var position: SourceValue
        /// Micro-batches used: what dropout counts.
        public var microBatches: UInt64 = 0
        /// Real tokens used.
        public var tokens = 0
        /// Images used.
        public var images = 0
        /// Examples used.
        public var examples = 0
        /// Which steps are left out.
        var spikes = SpikeGuard()

        /// The beginning of a run that begins at `position`.
        public init(position: SourceValue) {
            self.position = position
        }
    }

    /// A state of these parts.
    public init(parameters: any ParameterStore, progress: Progress) {
        self.parameters = parameters
        self.progress = progress
    }
}
