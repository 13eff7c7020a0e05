// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
internal import IdeficsNetwork

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The hub's interface: which requests there are, and what their answers mean.
struct HubRequests: Sendable {
    let http: HTTPClient
    let configuration: HubConfiguration

    /// The version of a file: the name of its blob, and its size if the server tells.
    struct FileVersion: Sendable, Equatable {
        var etag: String
        var size: Int64?
    }

    /// The token goes to the endpoint only: `HTTPClient` leaves it out when a redirect leaves the origin.
    var headers: HTTPHeaders {
        configuration.token.map { ["Authorization": "Bearer \($0)"] } ?? [:]
    }

    /// Asks which commit a revision is and which files it has.
    ///
    /// If the cache has an answer (`hasSubstitute`), one attempt, and a short one, is enough.
    func listing(of repo: RepoId, at revision: Revision, hasSubstitute: Bool = false) async throws -> RepoListing {
        let name = RepoPath.percentEncoded(revision.description, keepsSlash: false)
        let url = try url("/api/models/\(repo)/revision/\(name)", query: "?blobs=true")
        var limits = configuration.requestLimits
        if hasSubstitute { limits.connectTimeout = min(limits.connectTimeout, .seconds(3)) }
        let response = try await repeating(hasSubstitute ? 1 : configuration.retry.maxAttempts) {
            try await http.get(url: url, headers: headers, limits: limits)
        }
        guard response.head.isSuccess else { throw error(response, repo, revision: revision) }
        let listing = try RepoListing(hubAnswer: response.body, url: url.absoluteString)
        guard !revision.isCommit || listing.commit == revision.description else {
            throw HubError.badAnswer(url: describe(url.absoluteString), reason: "sha is another commit")
        }
        return listing
    }

    /// Asks for the version of a file, for servers whose listing does not tell.
    func version(of file: String, in repo: RepoId, at commit: String) async throws -> FileVersion {
        let url = try fileURL(file, in: repo, at: commit)
        // A redirect to the storage behind the hub is not followed: what we want to know is in its own headers.
        let response = try await repeating(configuration.retry.maxAttempts) {
            try await http.head(
                url: url,
                headers: headers,
                limits: configuration.requestLimits,
                redirects: .sameOrigin
            )
        }
        guard response.head.isSuccess || (300...399).contains(response.status) else {
            throw error(response, repo, file: file)
        }
        let heads = response.redirects + [response.head]
        func first(_ name: String) -> String? { heads.lazy.compactMap { $0.headers[name] }.first }
        if let found = first("X-Repo-Commit"), found != commit {
            throw HubError.badAnswer(url: describe(url.absoluteString), reason: "X-Repo-Commit is another commit")
        }
        guard let etag = first("X-Linked-Etag") ?? response.headers["ETag"] else {
            throw HubError.badAnswer(url: describe(url.absoluteString), reason: "no ETag")
        }
        let linkedSize = first("X-Linked-Size").flatMap { Int64($0) }.flatMap { $0 >= 0 ? $0 : nil }
        return FileVersion(
            etag: try RepoPath.normalizedEtag(etag, file: "\(repo)/\(file)"),
            size: linkedSize ?? (response.head.isSuccess ? response.head.contentLength : nil)
        )
    }

    func fileURL(_ file: String, in repo: RepoId, at commit: String) throws -> URL {
        try url("/\(repo)/resolve/\(commit)/" + RepoPath.percentEncoded(file, keepsSlash: true))
    }

    private func url(_ path: String, query: String = "") throws -> URL {
        guard let url = URL(string: configuration.endpoint.absoluteString + path + query) else {
            throw HubError.invalidSetting(name: "HF_ENDPOINT", reason: "no URL together with \(path)")
        }
        return url
    }

    /// Repeats a request while its failure may pass.
    private func repeating(
        _ maxAttempts: Int,
        _ request: () async throws -> HTTPResponse
    ) async throws -> HTTPResponse {
        var failures = 0
        while true {
            var pause: Duration?
            do {
                let response = try await request()
                pause = failures + 1 < maxAttempts ? self.pause(before: response, failures: failures + 1) : nil
                guard let pause else { return response }
                try await Task.sleep(for: pause)
            } catch let error as NetworkError where error.isTransient && failures + 1 < maxAttempts {
                try await Task.sleep(for: configuration.retry.delay(afterFailures: failures + 1))
            } catch let error as NetworkError {
                throw HubError(error)
            }
            failures += 1
        }
    }

    /// How long to wait before asking again; nil if this answer is the last word.
    func pause(before response: HTTPResponse, failures: Int) -> Duration? {
        let error = NetworkError.httpStatus(url: "", status: response.status, message: "")
        guard !response.head.isSuccess, error.isTransient, failures < configuration.retry.maxAttempts else {
            return nil
        }
        let delay = configuration.retry.delay(afterFailures: failures)
        guard let asked = RetryPolicy.retryAfter(response.headers["Retry-After"]) else { return delay }
        return .seconds(asked) <= configuration.retry.maxRetryAfter ? max(delay, .seconds(asked)) : nil
    }

    /// What an error status means; the hub says more in `X-Error-Code`, other servers do not.
    func error(_ response: HTTPResponse, _ repo: RepoId, revision: Revision = .main, file: String? = nil) -> HubError {
        let message = printable(response.headers["X-Error-Message"] ?? response.message)
        let hasToken = configuration.token != nil
        switch (response.status, response.headers["X-Error-Code"]) {
        case (401, "GatedRepo"), (403, _):
            return .forbidden(repo: "\(repo)", message: message)
        case (401, _):
            return .unauthorized(repo: "\(repo)", hasToken: hasToken)
        case (404, "RepoNotFound"):
            return .repositoryNotFound(repo: "\(repo)", hasToken: hasToken)
        case (404, "RevisionNotFound"):
            return .revisionNotFound(repo: "\(repo)", revision: "\(revision)")
        case (404, _):
            if let file { return .fileNotFound(repo: "\(repo)", file: file) }
            return revision == .main
                ? .repositoryNotFound(repo: "\(repo)", hasToken: hasToken)
                : .revisionNotFound(repo: "\(repo)", revision: "\(revision)")
        case (429, _):
            let seconds = RetryPolicy.retryAfter(response.headers["Retry-After"])
            return .rateLimited(repo: "\(repo)", retryAfterSeconds: seconds)
        default:
            let url = describe(response.head.url)
            return .network(.httpStatus(url: url, status: response.status, message: message))
        }
    }
}

extension HubError {
    /// A failed file operation or request.
    init(_ error: NetworkError) {
        if case .file(let path, let operation, let reason) = error {
            self = .file(path: path, operation: operation, reason: reason)
        } else {
            self = .network(error)
        }
    }

    /// A failed file operation.
    init(_ error: FileError) { self = .file(path: error.path, operation: error.operation, reason: error.reason) }

    /// True if the hub gave no answer, or none to this user, so that the cache's last word may do.
    var isWithoutAnswer: Bool {
        switch self {
        case .network(let error): error.isTransient
        case .rateLimited, .unauthorized, .forbidden, .repositoryNotFound: true
        default: false
        }
    }
}
