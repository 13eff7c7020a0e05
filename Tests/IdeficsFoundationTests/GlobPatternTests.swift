// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import Testing

@Suite struct GlobPatternTests {
    @Test(arguments: [
        ("*.json", "config.json", true), ("*.json", "a/b.json", true), ("*.json", "json", false), ("*", "", true),
        ("a?c", "abc", true), ("a?c", "ac", false), ("[a-c]x", "bx", true), ("[!a-c]x", "bx", false),
        ("[!a-c]x", "dx", true), ("[]]", "]", true), ("[abc", "[abc", true), ("a[", "a[", true), ("**", "x/y", true),
        ("model-*-of-*.bin", "model-1-of-2.bin", true), ("*a*b*c", "xxaxxbxxc", true), ("*a*b*c", "xxaxxcxxb", false),
        ("dir/", "dir/x", false), ("", "", true), ("", "a", false), ("[a-]", "-", true), ("é*", "één", true),
        ("[z-a]", "m", false), ("*.alpha_*", "model.gated_cross_attn_layers.0.alpha_dense", true),
        ("lm_head.*", "lm_head", false),
    ])
    func matchesPatterns(pattern: String, name: String, expected: Bool) {
        #expect(GlobPattern(pattern).matches(name) == expected)
    }

    @Test func hostilePatternsAreFast() {
        let pattern = GlobPattern(String(repeating: "*a", count: 2000) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 2000)))
    }
}
