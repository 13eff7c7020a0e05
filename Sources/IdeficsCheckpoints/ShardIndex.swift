// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

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
        fileNames = try CheckpointError.wrapping("index") {
            let document = try JSONDocument.parse(Array(bytes), file: file)
            guard document.root.isObject else { throw document.root.wrongType("an object") }
            let map = try document.root.required("weight_map")
            var fileNames: [String: String] = [:]
            for (key, value) in try map.memberIndices() {
                // Paths are only built for a complaint: there may be 10⁵ tensors.
                func field() -> JSONField {
                    let path = JSONField.path(map.path, key: document.string(at: key))
                    return JSONField(document: document, index: value, path: path)
                }
                // An entry of null says nothing, as one without its tensor.
                if JSONField(document: document, index: value, path: "").isNull { continue }
                guard document.isText(at: value) else { throw field().wrongType("a string") }
                let fileName = document.string(at: value).withoutLeadingDot
                guard Self.isPlain(fileName) else { throw field().error("\"\(fileName)\" is not a plain file name") }
                fileNames[document.string(at: key)] = fileName
            }
            return fileNames
        }
    }

    /// Whether `name` names a file in the index's own folder.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && !name.unicodeScalars.contains { $0 == "/" || $0 == "\\" || $0.value < 0x20 || $0.value == 0x7F }
    }
}
