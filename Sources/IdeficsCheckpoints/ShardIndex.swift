// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The index of a sharded checkpoint: which file holds which tensor.
///
/// The file names are followed whatever their extension: one early release lists safetensors files named
/// `pytorch_model-00001-of-00003.safetensors`.
package struct ShardIndex {
    /// File name by tensor name.
    package let fileNames: [String: String]

    /// Reads an index file.
    ///
    /// - Throws: `CheckpointError.malformed` naming the field; a file name with a path in it is refused.
    package init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
        guard bytes.count <= SafetensorsHeader.maximumByteCount else {
            throw CheckpointError.malformed(
                file: file,
                field: "index",
                reason: "\(bytes.count) bytes, more than \(SafetensorsHeader.maximumByteCount)"
            )
        }
        var json = JSONScanner(bytes, file: file, root: "index")
        var fileNames: [String: String]?
        try json.beginObject()
        while let key = try json.nextKey() {
            guard key == "weight_map" else {
                try json.skipValue()
                continue
            }
            var map: [String: String] = [:]
            try json.beginObject()
            while let name = try json.nextKey() {
                let fileName = try json.string()
                guard Self.isPlain(fileName) else {
                    throw json.malformed("\"\(fileName)\" is not a plain file name")
                }
                map[name] = fileName
            }
            fileNames = map
        }
        try json.finish()
        guard let fileNames else { throw json.malformed("no weight_map") }
        self.fileNames = fileNames
    }

    /// Whether `name` names a file in the index's own folder.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && !name.unicodeScalars.contains { $0 == "/" || $0 == "\\" || $0.value < 0x20 || $0.value == 0x7F }
    }
}
