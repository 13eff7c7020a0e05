// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Which files of a repository are needed.
///
/// Of weights in several formats only one is taken, in each folder, in the order transformers prefers:
/// `model.safetensors`, `model.safetensors.index.json` with its shards, `pytorch_model.bin`,
/// `pytorch_model.bin.index.json` with its shards. Of shards only those the index names are taken.
public struct FileSelection: Sendable, Equatable {
    /// What running a model needs: configuration, tokenizer, processor and weights.
    public static let model = [
        "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "chat_template.json", "chat_template.jinja",
        "model.safetensors", "model-*.safetensors", "model.safetensors.index.json",
        "pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json",
    ]

    /// What a LoRA adapter is, as PEFT saves it.
    public static let adapter = ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"]

    /// Files wanted whatever an index says.
    package private(set) var files: [String]
    /// Indexes (wanted, too) and the shards that are wanted if the index names them.
    package private(set) var shards: [(index: String, candidates: Set<String>)]

    private static let formats = [("model", ".safetensors"), ("pytorch_model", ".bin")]

    /// Chooses among `names` those that match one of `patterns`, weights in one format only.
    ///
    /// Patterns are `huggingface_hub`'s: a folder (`dir/`) means all that is in it.
    package init(_ patterns: [String], from names: some Collection<String>) {
        let all = Set(names)
        let patterns = patterns.map { GlobPattern($0.hasSuffix("/") ? "\($0)*" : $0) }
        var wanted = all.filter { name in patterns.contains { $0.matches(name) } }
        shards = []
        for folder in Set(wanted.map { RepoPath.folder(of: $0) }).sorted() {
            var isFound = false
            for (stem, suffix) in Self.formats {
                let single = folder + stem + suffix
                let index = single + ".index.json"
                let parts = wanted.filter { $0.hasPrefix(folder + stem + "-") && $0.hasSuffix(suffix) }
                let hasSingle = wanted.contains(single)
                if isFound || hasSingle {
                    wanted.subtract(parts)
                    wanted.remove(index)
                    if isFound { wanted.remove(single) }
                } else if !parts.isEmpty, all.contains(index) {
                    wanted.subtract(parts)
                    wanted.remove(index)
                    shards.append((index, parts))
                }
                isFound = isFound || hasSingle || !parts.isEmpty
            }
        }
        files = wanted.sorted()
    }

    /// Two selections are equal if they want the same.
    public static func == (a: FileSelection, b: FileSelection) -> Bool {
        a.files == b.files && a.shards.map(\.index) == b.shards.map(\.index)
            && a.shards.map(\.candidates) == b.shards.map(\.candidates)
    }

    /// Everything wanted, given the content of each index.
    func files(
        repo: RepoId,
        names: Set<String>,
        index: (String) throws -> [UInt8]
    ) throws -> [String] {
        var result = files
        for (path, candidates) in shards {
            let named = try Self.shards(inIndex: index(path), at: path, repo: repo)
            if let missing = named.subtracting(names).min() {
                throw HubError.missingShard(repo: repo.description, index: path, shard: missing)
            }
            result.append(path)
            result += named.intersection(candidates).sorted()
        }
        return result
    }

    /// The files that the `weight_map` of an index names, as paths in the repository.
    package static func shards(inIndex bytes: [UInt8], at path: String, repo: RepoId) throws -> Set<String> {
        struct Index: Decodable {
            var weight_map: [String: String?]
        }
        let index: Index
        do {
            index = try JSONReader.decode(Index.self, from: Data(bytes), file: path)
        } catch {
            throw HubError.badFile(path: printable("\(repo)/\(path)"), reason: "no index: \(reason(of: error))")
        }
        let folder = RepoPath.folder(of: path)
        // An entry of null names no file.
        let names = Set(index.weight_map.values.compactMap { $0?.withoutLeadingDot })
        for name in names { try RepoPath.validate(name, repo: repo) }
        return Set(names.map { folder + $0 })
    }
}
