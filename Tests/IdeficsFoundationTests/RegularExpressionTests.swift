// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import Testing

@Suite struct RegularExpressionTests {
    /// Patterns as users of PEFT write them, and what Python's `re.fullmatch` says.
    @Test(arguments: [
        (#".*\.(q_proj|v_proj)"#, ["a.q_proj", "a.b.v_proj"], ["q_proj", "a.k_proj", "aXq_proj", "a.q_proj.b"]),
        (#".*q_proj|.*k_proj$"#, ["q_proj", "x.k_proj"], ["k_projs"]),
        (
            #"model\.layers\.\d+\.self_attn\.(?:q|k)_proj"#, ["model.layers.31.self_attn.k_proj"],
            ["model.layers.x.self_attn.q_proj"]
        ),
        (#"^(?!.*vision)(?!.*lm_head).*_proj$"#, ["model.q_proj"], ["model.vision.q_proj", "lm_head_proj"]),
        (#".*(?<!gated)\.q_proj"#, ["layers.q_proj"], ["gated.q_proj"]),
        (#"(?:(?!cross).)*q_proj"#, ["self.q_proj"], ["cross.q_proj"]),
        (#"(?P<layer>[a-c_]+)\.[^.\]]{2,3}"#, ["ab_c.xy", "a.xyz"], ["d.xy", "a.x", "a.wxyz", "a.x."]),
        (#"a{2}b{,2}c{1,}d{x}"#, ["aacd{x}", "aabbccd{x}"], ["acd{x}", "aabbbcd{x}", "aad{x}"]),
        (#"[]a\-z]+[\d\W]*?"#, ["]a-z", "a1."], ["b", "-ab"]),
        (#"(?i)Q_Proj[A-C]"#, ["q_projb", "Q_PROJA"], ["q_projd"]),
        (#"\bq\b.\bx\B\x41\u0042\Z"#, ["q.xAB"], ["q.xA", "qq.xAB"]),
        ("", [""], ["a"]),
        (".", ["é", "😀"], ["\n", "", "ab"]),
    ])
    func patternsOfPEFT(_ pattern: String, _ matching: [String], _ others: [String]) throws {
        let expression = try RegularExpression(pattern)
        #expect(try expression.fullMatches(in: matching + others) == matching)
    }

    @Test(arguments: [
        "[", "[a", "(", "a)", "(a", "*a", "a**", "a++", "a{3,2}", "a{9999}", "\\", "[\\", "[z-a]", "[\\d-z]", "\\1",
        "(?>a)", "(?(1)a)", "(?s)a", "\\q", "\\x4", "(?P<a", String(repeating: "[", count: 5000),
        String(repeating: "(", count: 3000), String(repeating: "(?=", count: 500), String(repeating: "a?", count: 5000),
        String(repeating: "(a{1000}", count: 5) + ")))))", "((((a{99}){99}){99}){99})",
    ])
    func nonsenseAndExcessAreRefused(_ pattern: String) {
        #expect(throws: RegularExpression.Problem.self) { _ = try RegularExpression(pattern) }
    }

    @Test(arguments: [
        "(.*)*(.*)*(.*)*(.*)*(.*)*Z", "(a+)+$", "(a|a)*b", "(.*a){20}", "((a*)*)*b", "(?:a?){60}a{60}b",
        "(?=(.*)*Z)(?=(.*)*Z).*", "((?!(.*)*Z).)*Z", "(?<=(.*)*)Z",
    ])
    func noPatternTakesExponentialTime(_ pattern: String) throws {
        let text = String(repeating: "a", count: 80)
        #expect(try RegularExpression(pattern).matchesFully(text) == (pattern == "(a+)+$" || pattern == "(.*a){20}"))
    }

    @Test func stepsAreBounded() throws {
        let looks = String(repeating: "(?=(?:(?=.*Z)|.)*)", count: 60)
        let expression = try RegularExpression("(?:\(looks).)*")
        let text = String(repeating: "a", count: 3000)
        #expect(throws: RegularExpression.Problem.self) { try expression.matchesFully(text) }
    }
}
