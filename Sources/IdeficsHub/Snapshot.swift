// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The files asked for, of one model in the cache.
struct Snapshot: Sendable {
    let repository: CachedRepository
    let patterns: [String]

    /// What is wanted of these files; throws if that is nothing, or a name is not safe.
    func selection(from names: some Collection<String>) throws -> FileSelection {
        let selection = FileSelection(patterns, from: names)
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

    /// Whether all that is wanted of a listing is in the cache.
    func isComplete(_ listing: RepoListing) throws -> Bool {
        let selection = try selection(from: listing.files.keys)
        func isThere(_ file: String) -> Bool {
            guard let size = repository.size(of: file, at: listing.commit) else { return false }
            return listing.files[file]?.size.map { $0 == size } ?? true
        }
        return try selection.shards.allSatisfy { isThere($0.index) }
            && files(of: selection, in: listing).allSatisfy(isThere)
    }

    /// The files that are wanted and not in the cache; nil if the cache does not know what the commit has.
    ///
    /// A cache filled by other software may lack the list of files. Then it is enough that the files there are a whole
    /// model or adapter. If `isLastResort` is true, because nobody can be asked, a model may lack its tokenizer, which is
    /// missed when it is needed; and for other patterns it is enough that any file matches.
    func missingFiles(at commit: String, isLastResort: Bool) throws -> [String]? {
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
        // A file whose content was removed is one that the commit has, and that is missing.
        let dangling = Set(repository.danglingLinks(at: commit))
        let names = dangling.union(repository.files(at: commit))
        guard let selection = try? selection(from: names) else { return nil }
        let listing = RepoListing(commit: commit, files: .init(uniqueKeysWithValues: names.map { ($0, .init()) }))
        let indexes = selection.shards.map(\.index).filter(dangling.contains)
        guard indexes.isEmpty else { return indexes + selection.files.filter(dangling.contains) }
        let files: [String]
        do {
            files = try self.files(of: selection, in: listing)
        } catch HubError.missingShard(_, _, let shard) {
            return [shard]
        }
        let removed = files.filter(dangling.contains)
        guard removed.isEmpty else { return removed }
        var needed: [[String]]
        switch patterns {
        case FileSelection.model:
            needed = [["config.json"]]
            if selection.shards.isEmpty { needed.append(["model.safetensors", "pytorch_model.bin"]) }
            if !isLastResort { needed.append(["tokenizer.json", "tokenizer.model"]) }
        case FileSelection.adapter:
            needed = [["adapter_config.json"], ["adapter_model.safetensors", "adapter_model.bin"]]
        default: return isLastResort ? [] : nil
        }
        return needed.allSatisfy { $0.contains(where: files.contains) } ? [] : nil
    }
}
