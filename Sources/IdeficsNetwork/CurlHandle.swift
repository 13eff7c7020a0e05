// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CCurl

/// A curl easy handle in a multi handle of its own, which keeps connections open between requests.
///
/// SAFETY: `@unchecked` because the handles are pointers. Everything but `wake()` is called by one thread at a time:
/// the one that runs the transfer which took the handle from the client's pool. `wake()` is `curl_multi_wakeup`, which
/// libcurl documents as callable from any thread; the reference held by the caller keeps the handle alive.
final class CurlHandle: @unchecked Sendable {
    private let multi: OpaquePointer
    private let easy: UnsafeMutableRawPointer

    private static let globalInit: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    init() throws {
        guard Self.globalInit == CURLE_OK, let multi = curl_multi_init() else {
            throw NetworkError.protocolViolation(url: "", reason: "libcurl does not start")
        }
        guard let easy = curl_easy_init() else {
            curl_multi_cleanup(multi)
            throw NetworkError.protocolViolation(url: "", reason: "libcurl does not start")
        }
        self.multi = OpaquePointer(multi)
        self.easy = easy
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_multi_cleanup(UnsafeMutableRawPointer(multi))
    }

    /// Forgets all options; connections stay.
    func reset() { curl_easy_reset(easy) }

    func set(_ option: CURLoption, _ value: Int) { _ = idf_curl_set_long(easy, option, value) }

    func set(_ option: CURLoption, _ value: String) { _ = idf_curl_set_string(easy, option, value) }

    /// Runs the transfer that the options describe; returns nil if `isCancelled` became true.
    func perform(headers: [String], callbacks: CurlCallbacks, isCancelled: () -> Bool) -> CURLcode? {
        var list: UnsafeMutablePointer<curl_slist>?
        for header in headers { list = curl_slist_append(list, header) ?? list }
        defer { curl_slist_free_all(list) }
        idf_curl_set_headers(easy, list)

        // SAFETY: `callbacks` outlives the calls: they happen inside curl_multi_perform below, or not at all.
        let context = Unmanaged.passUnretained(callbacks).toOpaque()
        idf_curl_set_write(easy, { CurlCallbacks.from($3).map($0, $1 * $2, \.body) }, context)
        idf_curl_set_header_line(easy, { CurlCallbacks.from($3).map($0, $1 * $2, \.headerLine) }, context)
        idf_curl_set_open_socket(easy, { CurlCallbacks.from($0).open(purpose: $1, $2) }, context)
        return withExtendedLifetime(callbacks) { drive(isCancelled) }
    }

    private func drive(_ isCancelled: () -> Bool) -> CURLcode? {
        let multi = UnsafeMutableRawPointer(multi)
        guard curl_multi_add_handle(multi, easy) == CURLM_OK else { return CURLE_FAILED_INIT }
        defer { curl_multi_remove_handle(multi, easy) }
        var running: Int32 = 1
        while running > 0 {
            if isCancelled() { return nil }
            guard curl_multi_perform(multi, &running) == CURLM_OK else { return CURLE_RECV_ERROR }
            if running > 0 { curl_multi_poll(multi, nil, 0, 1000, nil) }
        }
        var left: Int32 = 0
        guard let message = curl_multi_info_read(multi, &left) else { return CURLE_RECV_ERROR }
        return message.pointee.data.result
    }

    /// Makes a waiting `perform` look at `isCancelled` now.
    func wake() { curl_multi_wakeup(UnsafeMutableRawPointer(multi)) }

    /// True if the last transfer got as far as a ready connection.
    var didConnect: Bool { idf_curl_connect_time(easy) > 0 }
}

/// What curl calls back during a transfer, on the transfer's thread.
final class CurlCallbacks {
    /// One line of the head; false stops the transfer.
    let headerLine: (UnsafeRawBufferPointer) -> Bool
    /// A piece of the body; false stops the transfer.
    let body: (UnsafeRawBufferPointer) -> Bool
    /// Whether a connection to this address (nil: unknown family) may be made.
    let mayConnect: (IPAddress?) -> Bool

    init(
        headerLine: @escaping (UnsafeRawBufferPointer) -> Bool,
        body: @escaping (UnsafeRawBufferPointer) -> Bool,
        mayConnect: @escaping (IPAddress?) -> Bool
    ) {
        self.headerLine = headerLine
        self.body = body
        self.mayConnect = mayConnect
    }

    fileprivate static func from(_ context: UnsafeMutableRawPointer?) -> CurlCallbacks? {
        // SAFETY: the context is the object that `perform` keeps alive.
        context.map { Unmanaged<CurlCallbacks>.fromOpaque($0).takeUnretainedValue() }
    }
}

extension CurlCallbacks? {
    /// Hands bytes to a callback; returns what curl expects: their number, or something else to stop.
    fileprivate func map(
        _ bytes: UnsafeMutablePointer<CChar>?,
        _ count: Int,
        _ callback: KeyPath<CurlCallbacks, (UnsafeRawBufferPointer) -> Bool>
    ) -> Int {
        guard let self else { return count + 1 }
        return self[keyPath: callback](UnsafeRawBufferPointer(start: bytes, count: count)) ? count : count + 1
    }

    /// Opens the socket if the address may be connected to.
    fileprivate func open(purpose: curlsocktype, _ address: UnsafeMutablePointer<curl_sockaddr>?) -> curl_socket_t {
        guard let self, let address, purpose == CURLSOCKTYPE_IPCXN else { return -1 }
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = Int(idf_curl_address_bytes(address, &bytes))
        return self.mayConnect(IPAddress(bytes: Array(bytes.prefix(count)))) ? idf_curl_open_socket(address) : -1
    }
}
