// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsHub

/// Progress on standard error: one line that redraws itself, or a line every few seconds off a terminal.
final class ProgressBar: Sendable {
    private struct State {
        var lastDrawn: ContinuousClock.Instant?
        var start = ContinuousClock.now
        var isShown = false
    }

    /// What is counted.
    enum Unit {
        case bytes
        case tokens
        case examples

        /// `count` of them, for people.
        func text(_ count: Int64) -> String {
            switch self {
            case .bytes: Format.bytes(count)
            case .tokens: "\(count) tokens"
            case .examples: "\(count) examples"
            }
        }
    }

    private let unit: Unit
    private let state = Locked(State())

    init(unit: Unit = .bytes) {
        self.unit = unit
    }

    /// Shows how far a download is.
    func show(_ progress: HubProgress) {
        if let notice = progress.notice { return Terminal.note(notice) }
        show(completed: progress.completedBytes, total: progress.totalBytes)
    }

    /// Shows how many of `total` are done.
    func show(completed: Int64, total: Int64) {
        let text: String? = state.withLock { state in
            let now = ContinuousClock.now
            let pause: Duration = Terminal.isErrorInteractive ? .milliseconds(100) : .seconds(5)
            let isComplete = completed >= total
            if let last = state.lastDrawn, now - last < pause, !isComplete { return nil }
            state.lastDrawn = now
            state.isShown = true
            let seconds = (now - state.start) / .seconds(1)
            return line(completed: completed, total: total, seconds: seconds)
        }
        guard let text else { return }
        if Terminal.isErrorInteractive { Terminal.transient(text) } else { Terminal.note(text) }
    }

    /// Ends the line.
    func finish() {
        let isShown = state.withLock { $0.isShown }
        if isShown && Terminal.isErrorInteractive { Terminal.status("\n") }
    }

    private func line(completed: Int64, total: Int64, seconds: Double) -> String {
        let share = total > 0 ? Double(completed) / Double(total) : 0
        let width = 24
        let filled = Int((share * Double(width)).rounded(.down))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled)
        let rate = seconds > 0 ? Double(completed) / seconds : 0
        let left = rate > 0 ? Double(total - completed) / rate : 0
        return "[\(bar)] \(Int(share * 100)) %  \(unit.text(completed)) of \(unit.text(total))"
            + "  \(unit.text(Int64(min(rate, 1e18))))/s  \(Format.time(left)) left"
    }
}
