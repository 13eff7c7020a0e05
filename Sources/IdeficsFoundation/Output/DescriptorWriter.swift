// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Writes all of `bytes` to an open file, pipe or terminal, however many calls that takes.
///
/// A signal in between is nothing; a descriptor that does not block (another program may have set the terminal so) is
/// waited for.
///
/// - Parameters:
///   - bytes: what to write.
///   - descriptor: where.
/// - Returns: the system's number of what went wrong; 0 if all is written.
package func writeAll(_ bytes: some Sequence<UInt8>, to descriptor: Int32) -> Int32 {
    let whole = ContiguousArray(bytes)
    return whole.withUnsafeBytes { whole in
        var rest = whole[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let count = write(descriptor, piece.baseAddress, piece.count)
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            // A write of something that writes nothing would be tried for ever.
            let code = count == 0 ? ENOSPC : errno
            switch code {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK:
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, -1)
            default: return code
            }
        }
        return 0
    }
}
