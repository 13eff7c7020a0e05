// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// When a beam search stops before its length limit (transformers' `early_stopping`).
public enum EarlyStopping: Sendable, Equatable, ExpressibleByBooleanLiteral {
    /// `false`: when the best running beam, scored at its present length, cannot beat the worst finished one.
    case disabled
    /// `true`: as soon as `num_beams` sequences have finished.
    case enabled
    /// `"never"`: only when no running beam can improve the result at any length up to the limit.
    case never

    /// Makes `earlyStopping: true` mean what it says.
    public init(booleanLiteral value: Bool) {
        self = value ? .enabled : .disabled
    }
}

extension EarlyStopping: Codable {
    /// Reads `false`, `true` or `"never"`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let flag = try? container.decode(Bool.self) {
            self = flag ? .enabled : .disabled
        } else if let word = try? container.decode(String.self), word == "never" {
            self = .never
        } else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "expected true, false or \"never\""
            )
        }
    }

    /// Writes `false`, `true` or `"never"`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .disabled: try container.encode(false)
        case .enabled: try container.encode(true)
        case .never: try container.encode("never")
        }
    }
}
