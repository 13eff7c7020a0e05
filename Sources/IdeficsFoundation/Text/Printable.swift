// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// `text` without control characters and of bounded length: names in files are free to hold terminal escapes.
package func printable(_ text: String) -> String {
    let limit = 300
    var result = ""
    for (count, scalar) in text.unicodeScalars.enumerated() {
        if count == limit { return result + "..." }
        if scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format {
            result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}
