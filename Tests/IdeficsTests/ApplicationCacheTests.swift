// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTestSupport
import Testing

@Suite struct ApplicationCacheTests {
    @Test(arguments: [
        (["IDEFICS_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"], "/a"),
        (["IDEFICS_CACHE": "", "XDG_CACHE_HOME": "/b", "HOME": "/c"], "/b/idefics"),
        (["XDG_CACHE_HOME": "", "HOME": "/c"], "/c/.cache/idefics"),
    ])
    func whereItIs(environment: [String: String], expected: String) {
        let cache = ApplicationCache(environment: environment)
        #expect(cache.directory.path == expected)
        #expect(cache.demoModelDirectory.path == expected + "/demo")
    }

    @Test func theDemoModelIsThereOnceItHasAConfiguration() throws {
        let folder = try TemporaryFolder()
        let cache = ApplicationCache(environment: ["IDEFICS_CACHE": folder.url.path])
        let missing = #expect(throws: IdeficsError.self) { try cache.demoModel() }
        #expect(missing == .demoModelMissing(path: folder.path("demo")))
        #expect(missing?.description.contains("make demo-model") == true)
        try FileManager.default.createDirectory(atPath: folder.path("demo"), withIntermediateDirectories: false)
        #expect(throws: IdeficsError.self) { try cache.demoModel() }
        try folder.write([], "demo/config.json")
        #expect(try cache.demoModel().path == folder.path("demo"))
    }
}
