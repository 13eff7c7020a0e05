// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsNetwork

/// The files asked for, of one model in the cache.
struct Snapshot: Sendable {
    let repository: CachedRepository
    let patterns: [String]

    /// What is wanted of these files; throws if that is nothing, or a name is not safe.
    func selection(from names: some Collection<String>) throws -> FileSelection {
        let selection = FileSelection(patterns.map { GlobPattern($0) }, from: names)
        guard !selection.files.isEmpty || !selection.shards.isEmpty else {
            throw HubError.noMatchingFiles(repo: repository.id.description, patterns: patterns)
        }
        for name in selection.files { try RepoPath.validate(name, repo: repository.id) }
        for (index, candidates) in selection.shards {
            try RepoPath.validate(index, repo: repository.id)
            for name in candidates { try RepoPath.validate(name, repo: repository.id) }
        }
        return selection
    }

    /// The files of a selection, once its indexes are in the cache.
    func files(of selection: FileSelection, in listing: RepoListing) throws -> [String] {
        try selection.files(repo: repository.id, names: Set(listing.files.keys)) {
            try repository.content(of: $0, at: listing.commit)
        }
    }

    /// The files that are wanted and not in the cache; nil if the cache does not know what the commit has.
    ///
    /// A cache filled by other software may lack the list of files. Then it is enough that the files there are a whole
    /// model, or, if `acceptsAnyMatch` is true, that any of them match.
    func missingFiles(at commit: String, acceptsAnyMatch: Bool) throws -> [String]? {
        if let listing = repository.listing(commit) {
            let selection = try selection(from: listing.files.keys)
            let isMissing = { (file: String) -> Bool in
                guard let size = repository.size(of: file, at: commit) else { return true }
                return listing.files[file]?.size.map { $0 != size } ?? false
            }
            let indexes = selection.shards.map(\.index).filter(isMissing)
            guard indexes.isEmpty else { return indexes + selection.files.filter(isMissing) }
            return try files(of: selection, in: listing).filter(isMissing)
        }
        let names = repository.files(at: commit)
        guard let selection = try? selection(from: names) else { return nil }
        let listing = RepoListing(commit: commit, files: .init(uniqueKeysWithValues: names.map { ($0, .init()) }))
        let files: [String]
        do {
            files = try self.files(of: selection, in: listing)
        } catch HubError.missingShard(_, _, let shard) {
            return [shard]
        }
        if patterns == FileSelection.model {
            let hasWeights =
                !selection.shards.isEmpty || files.contains("model.safetensors") || files.contains("pytorch_model.bin")
            let hasTokenizer = files.contains("tokenizer.json") || files.contains("tokenizer.model")
            return files.contains("config.json") && hasWeights && hasTokenizer ? [] : nil
        }
        return acceptsAnyMatch ? [] : nil
    }
}
