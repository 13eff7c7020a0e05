// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension TokenizerDefinition {
    /// Obeys `add_prefix_space` of `tokenizer_config.json` where it says something else than the tokenizer's own file.
    ///
    /// Done is what transformers 4 and 5 both do: Llama's tokenizers write no "▁" before a text if it is false, those of
    /// GPT-2 write a space or none. Elsewhere the tokenizer's file alone counts.
    mutating func obey(addPrefixSpace: Bool?, tokenizerClass: String?) {
        guard let addPrefixSpace, let tokenizerClass else { return }
        if TokenizerConfig.llamaClasses.contains(tokenizerClass) {
            if !addPrefixSpace { removePrefixSpace() }
        } else if ["GPT2Tokenizer", "GPT2TokenizerFast"].contains(tokenizerClass) {
            let others = preTokenizer.steps.filter { $0 != .prefixSpace }
            guard preTokenizer.isByteLevel, others == [.split(.gpt2)] else { return }
            preTokenizer.steps = addPrefixSpace ? [.prefixSpace] + others : others
        }
    }

    private mutating func removePrefixSpace() {
        normalizer.steps.removeAll { $0 == .prepend(BytePairModel.metaspace) }
        preTokenizer.steps = preTokenizer.steps.map { step in
            guard case .metaspace(let replacement, _, let split) = step else { return step }
            return .metaspace(replacement: replacement, scheme: .never, split: split)
        }
        // Nothing was put before the text, so nothing is to be taken away.
        decoder.strip = nil
        decoder.metaspace?.dropsFirst = false
    }
}
