// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsFiles

#if canImport(Glibc)
package import Glibc
#elseif canImport(Musl)
package import Musl
#elseif canImport(Darwin)
package import Darwin
#endif

/// Operations on files by their paths, with one typed error.
///
/// All of them, and the types of this folder, hand paths to the system through `withPath`.
package enum Files {
    /// Calls `body` with the bytes of `path`: the one place where a path becomes what the system takes.
    ///
    /// - Throws: `FileError` for a path that holds a NUL, where the system would cut it.
    static func withPath<Result>(
        _ path: String,
        _ operation: String,
        _ body: (UnsafePointer<CChar>) -> Result
    ) throws -> Result {
        guard !path.utf8.contains(0) else { throw FileError(path, operation, reason: "the name holds a NUL") }
        return path.withSystemPath(body)
    }

    /// Calls a function of the system that returns a negative number when it fails; repeats it when a signal came.
    @discardableResult
    static func call(_ path: String, _ operation: String, _ body: (UnsafePointer<CChar>) -> Int32) throws -> Int32 {
        while true {
            let (result, code) = try withPath(path, operation) { (body($0), errno) }
            if result >= 0 { return result }
            if code != EINTR { throw FileError(path, operation, code: code) }
        }
    }

    /// Opens a file; it is closed when another program is started.
    ///
    /// - Returns: the descriptor, which the caller closes.
    /// - Throws: `FileError`.
    package static func open(_ path: String, _ operation: String, _ flags: Int32, mode: mode_t = 0o666) throws -> Int32
    {
        try call(path, operation) { openFile($0, flags | O_CLOEXEC, mode) }
    }

    // MARK: - What is there

    /// What `stat` says; nil if nothing is there, or nothing that may be looked at.
    package static func status(_ path: String, followsLinks: Bool = true) -> stat? {
        var status = stat()
        let result = try? withPath(path, "read") { followsLinks ? stat($0, &status) : lstat($0, &status) }
        return result == 0 ? status : nil
    }

    /// The size of a regular file, symbolic links followed; nil if there is none.
    package static func size(_ path: String) -> Int64? {
        status(path).flatMap { $0.st_mode & S_IFMT == S_IFREG ? Int64($0.st_size) : nil }
    }

    /// When a file was changed last, as a text that differs when the time does; nil if there is none.
    package static func modificationTime(_ path: String) -> String? {
        #if canImport(Darwin)
        status(path).map { "\($0.st_mtimespec.tv_sec).\($0.st_mtimespec.tv_nsec)" }
        #else
        status(path).map { "\($0.st_mtim.tv_sec).\($0.st_mtim.tv_nsec)" }
        #endif
    }

    /// Says that a file was used now; if it can.
    package static func touch(_ path: String) { _ = try? withPath(path, "write") { utimensat(AT_FDCWD, $0, nil, 0) } }

    /// Whether a folder is there, symbolic links followed.
    package static func isFolder(_ path: String) -> Bool {
        status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    /// Where a symbolic link points; nil if it is none.
    package static func destination(ofLink path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let capacity = buffer.count
        let count = (try? withPath(path, "read") { readlink($0, &buffer, capacity) }) ?? -1
        return count < 0 ? nil : PathBytes.string(buffer[..<count].map { UInt8(bitPattern: $0) })
    }

    /// The path without symbolic links, `.` and `..`; nil if nothing is there.
    package static func realPath(_ path: String) -> String? {
        let found = try? withPath(path, "read") { realpath($0, nil) }
        guard let pointer = found ?? nil else { return nil }
        defer { free(pointer) }
        return PathBytes.string(cString: pointer)
    }

    /// Names of what is in a folder, sorted.
    ///
    /// - Throws: `FileError`.
    package static func names(in folder: String) throws -> [String] {
        let (stream, code) = try withPath(folder, "read") { (opendir($0), errno) }
        guard let stream else { throw FileError(folder, "read", code: code) }
        defer { closedir(stream) }
        var names: [String] = []
        while let name = nextName(stream) { names.append(PathBytes.string(cString: name)) }
        return names.sorted()
    }

    /// Bytes that may be written on the disk of `path`; nil if unknown.
    package static func availableBytes(_ path: String) -> Int64? {
        var status = statvfs()
        guard (try? withPath(path, "read") { statvfs($0, &status) }) == 0 else { return nil }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflow ? nil : Int64(clamping: bytes)
    }

    // MARK: - Paths

    /// `path` with `~` for the home folder, `$NAME` and `${NAME}` for variables, as in settings; unknown ones stay.
    package static func expanded(_ path: String, environment: [String: String]) -> String {
        var result = ""
        var rest = path[...]
        if path == "~" || path.hasPrefix("~/") {
            result = environment["HOME"] ?? "/"
            rest = rest.dropFirst()
        }
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            let tail = rest[rest.index(after: dollar)...]
            let isBraced = tail.hasPrefix("{")
            let name = (isBraced ? tail.dropFirst() : tail).prefix {
                $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")
            }
            let after = tail[name.endIndex...]
            if !name.isEmpty, !isBraced || after.hasPrefix("}"), let value = environment[String(name)] {
                result += value
                rest = isBraced ? after.dropFirst() : after
            } else {
                result += "$"
                rest = tail
            }
        }
        return result + rest
    }

    /// The part before the last slash, `.` if there is none, and the part after it; slashes are bytes, whatever
    /// character they would make with their neighbours.
    package static func split(_ path: String) -> (folder: String, name: String) {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let folder = String(decoding: bytes[..<slash], as: UTF8.self)
        return (folder.isEmpty ? "/" : folder, String(decoding: bytes[bytes.index(after: slash)...], as: UTF8.self))
    }

    // MARK: - Changes

    /// Makes a folder and those above it, unless they are there.
    ///
    /// - Throws: `FileError`.
    package static func makeFolder(_ path: String) throws {
        guard !isFolder(path) else { return }
        let parent = split(path).folder
        if parent != path, status(parent) == nil { try makeFolder(parent) }
        do {
            try call(path, "make folder") { mkdir($0, 0o777) }
        } catch let error as FileError where error.code == EEXIST {
            // Made by another program a moment ago, or no folder.
            guard isFolder(path) else { throw FileError(path, "make folder", reason: "a file is there") }
        }
    }

    /// Gives a file or folder another name; a file, or an empty folder, of that name is replaced in the same instant.
    ///
    /// - Throws: `FileError` naming `target`.
    package static func rename(_ path: String, to target: String) throws {
        try withPath(path, "write") { source in
            Result { _ = try call(target, "write") { renameFile(source, $0) } }
        }.get()
    }

    /// Lets two files or folders change places in one instant.
    ///
    /// - Returns: false where the file system cannot do that.
    /// - Throws: `FileError` naming `second`.
    static func exchange(_ first: String, _ second: String) throws -> Bool {
        do {
            try withPath(first, "write") { source in
                Result { _ = try call(second, "write") { idf_exchange(source, $0) } }
            }.get()
            return true
        } catch let error as FileError where [EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP].contains(error.code) {
            return false
        }
    }

    /// Makes a symbolic link.
    ///
    /// - Throws: `FileError`, also when something is there already.
    package static func link(_ path: String, to destination: String) throws {
        try withPath(destination, "link") { destination in
            Result { _ = try call(path, "link") { symlink(destination, $0) } }
        }.get()
    }

    /// Makes a symbolic link, replacing a file or link of that name in one step.
    ///
    /// - Throws: `FileError` naming `path`, or its folder.
    package static func replaceWithLink(_ path: String, to destination: String) throws {
        do {
            return try link(path, to: destination)
        } catch let error as FileError where error.code == EEXIST {}
        let (folder, name) = split(path)
        let temporary = "\(folder)/\(TemporaryName(for: name).content)"
        try link(temporary, to: destination)
        do {
            try rename(temporary, to: path)
        } catch {
            remove(temporary)
            throw error
        }
    }

    /// Removes a file, or a symbolic link but not what it points to; if it can.
    package static func remove(_ path: String) { _ = try? withPath(path, "remove") { unlink($0) } }

    /// Makes sure that a rename is on the disk; where a folder cannot be flushed, what was renamed is whole all the same.
    static func flush(folder: String) {
        guard let descriptor = try? open(folder, "read", O_RDONLY) else { return }
        _ = fsync(descriptor)
        close(descriptor)
    }
}

// MARK: - The system's functions, whose names those above hide

private func openFile(_ path: UnsafePointer<CChar>, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }

private func renameFile(_ path: UnsafePointer<CChar>, _ target: UnsafePointer<CChar>) -> Int32 { rename(path, target) }
