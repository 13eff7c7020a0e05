// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// When the sequences of one request end.
struct StoppingCriteria {
    let eosTokenId: [Int]
    let maxNewTokens: Int
    let maxTime: Double?
    let stopStrings: StopStringMatcher?

    /// The reason to end `context` once `tokenId` is appended, nil to go on.
    ///
    /// Several may hold at once; what the model said comes before what the limits say.
    func reason(appending tokenId: Int, to context: TokenContext, elapsedSeconds: Double) -> StopReason? {
        if eosTokenId.contains(tokenId) {
            return .stop(eosTokenId: tokenId)
        }
        if let text = stopStrings?.match(context.tokenIds, appending: tokenId) {
            return .stopString(text)
        }
        if context.generatedLength + 1 >= maxNewTokens {
            return .length
        }
        if let maxTime, elapsedSeconds > maxTime {
            return .maxTime
        }
        return nil
    }
}
