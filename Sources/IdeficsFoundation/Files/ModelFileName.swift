// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Which names files of models have: those that this program writes, copies with a model, or downloads.
enum ModelFileName {
    /// Whether `name` is one of them, or the system's; files of other names are somebody's own, wherever they lie.
    static func isKnown(_ name: String) -> Bool {
        // What NFS calls files that are removed while a process has them open begins with `.nfs`.
        names.contains(name) || name == ".DS_Store" || name.hasPrefix(".nfs") || isWeights(name)
    }

    private static let names: Set = [
        "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
        "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "chat_template.json", "chat_template.jinja", "README.md", "LICENSE", "NOTICE", ".gitattributes",
        // Of quantized copies, adapters and checkpoints of training.
        "quantization_report.json", "idefics_copy.json", ".identity", "adapter_config.json", "state.json",
        "recipe.json",
        "parameters.safetensors", "first_moments.safetensors", "second_moments.safetensors",
    ]

    /// `model.safetensors`, `pytorch_model-00001-of-00002.bin`, `model.safetensors.index.json` and their like.
    private static func isWeights(_ name: String) -> Bool {
        let stem = name.hasSuffix(".index.json") ? name.dropLast(".index.json".count) : name[...]
        for suffix in [".safetensors", ".bin"] where stem.hasSuffix(suffix) {
            let parts = stem.dropLast(suffix.count).split(separator: "-", omittingEmptySubsequences: false)
            guard ["model", "pytorch_model", "adapter_model"].contains(parts[0]) else { return false }
            func isNumber(_ part: Substring) -> Bool { !part.isEmpty && part.allSatisfy(\.isNumber) }
            return parts.count == 1 || parts.count == 4 && parts[2] == "of" && isNumber(parts[1]) && isNumber(parts[3])
        }
        return false
    }
}
