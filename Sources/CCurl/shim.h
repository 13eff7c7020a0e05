// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// libcurl for Swift: curl_easy_setopt and curl_easy_getinfo are variadic, which Swift cannot call, so each argument
// type that is used has an inline function here.

#ifndef IDEFICS_CCURL_SHIM_H
#define IDEFICS_CCURL_SHIM_H

#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#if LIBCURL_VERSION_NUM < 0x075500
#error "libcurl 7.85 or newer is needed (CURLOPT_PROTOCOLS_STR)"
#endif

static inline CURLcode idf_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode idf_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode idf_curl_set_headers(CURL *handle, struct curl_slist *value) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, value);
}

/// Sets the body callback and the pointer handed to it.
static inline CURLcode idf_curl_set_write(CURL *handle, curl_write_callback callback, void *context) {
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, context);
    return curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, callback);
}

/// Sets the callback for one header line at a time and the pointer handed to it.
static inline CURLcode idf_curl_set_header_line(CURL *handle, curl_write_callback callback, void *context) {
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, context);
    return curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, callback);
}

/// Sets the callback that opens (or refuses) each socket and the pointer handed to it.
static inline CURLcode idf_curl_set_open_socket(CURL *handle, curl_opensocket_callback callback, void *context) {
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, context);
    return curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, callback);
}

/// Microseconds until the connection (with TLS) was ready; 0 if it never was.
static inline curl_off_t idf_curl_connect_time(CURL *handle) {
    curl_off_t value = 0;
    curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &value);
    return value;
}

/// Copies the peer's address into `bytes` in network order.
///
/// Returns 4 or 16, the number of bytes, or 0 for any other address family.
static inline int idf_curl_address_bytes(const struct curl_sockaddr *address, unsigned char bytes[16]) {
    if (address->family == AF_INET && address->addrlen >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, &address->addr, sizeof v4);
        memcpy(bytes, &v4.sin_addr, 4);
        return 4;
    }
    if (address->family == AF_INET6 && address->addrlen >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        // curl keeps a full sockaddr_storage behind `addr`, which is declared as the smaller struct sockaddr.
        memcpy(&v6, (const char *)address + offsetof(struct curl_sockaddr, addr), sizeof v6);
        memcpy(bytes, &v6.sin6_addr, 16);
        return 16;
    }
    return 0;
}

/// Opens the socket curl asks for, closed on exec.
static inline curl_socket_t idf_curl_open_socket(const struct curl_sockaddr *address) {
    curl_socket_t s = socket(address->family, address->socktype, address->protocol);
    if (s >= 0) fcntl(s, F_SETFD, FD_CLOEXEC);
    return s;
}

#endif
