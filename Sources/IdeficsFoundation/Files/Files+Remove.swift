// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension Files {
    /// Removes a file, a symbolic link, or a folder with all that is in it; links are removed, never followed.
    ///
    /// Only for what this program made, under a `TemporaryName`: nothing asks again.
    ///
    /// - Throws: `FileError` when something stays.
    static func removeTree(_ path: String) throws {
        guard let status = status(path, followsLinks: false) else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            try call(path, "remove") { unlink($0) }
            return
        }
        let descriptor = try open(path, "remove", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let code = removeContents(descriptor)
        guard code == 0 else { throw FileError(path, "remove", code: code) }
        try call(path, "remove") { rmdir($0) }
    }

    /// Empties the open folder and closes it; returns the first failure's number.
    private static func removeContents(_ folder: Int32) -> Int32 {
        guard let stream = fdopendir(folder) else {
            close(folder)
            return errno
        }
        defer { closedir(stream) }
        var failure: Int32 = 0
        while let name = nextName(stream) {
            if unlinkat(folder, name, 0) == 0 || errno == ENOENT { continue }
            // EISDIR, or EPERM where POSIX is taken literally: a folder.
            let child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard child >= 0 else {
                failure = failure == 0 ? errno : failure
                continue
            }
            let code = removeContents(child)
            if code != 0 || unlinkat(folder, name, AT_REMOVEDIR) != 0 {
                failure = failure == 0 ? (code == 0 ? errno : code) : failure
            }
        }
        return failure
    }

    /// The next name of an open folder, without `.` and `..`; valid until the next call.
    static func nextName(_ stream: DirectoryStream) -> UnsafePointer<CChar>? {
        while let entry = readdir(stream) {
            let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
            // SAFETY: the name ends with a NUL, inside the entry that readdir returned.
            let name = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self)
            if strcmp(name, ".") != 0, strcmp(name, "..") != 0 { return name }
        }
        return nil
    }
}

#if canImport(Darwin)
typealias DirectoryStream = UnsafeMutablePointer<DIR>
#else
typealias DirectoryStream = OpaquePointer
#endif
