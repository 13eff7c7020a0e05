// swift-tools-version: 6.2
// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Settings every Swift target shares.
let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// Kernels are optimised in debug builds too: at -O0 one tiny forward pass takes minutes.
let cSettings: [CSetting] = [.unsafeFlags(["-O3", "-Wall", "-Wextra", "-Werror"])]

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

/// Tests of `name`, which they import, as they import all of `dependencies`.
func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: [.byName(name: name)] + dependencies,
        swiftSettings: swiftSettings
    )
}

let package = Package(
    name: "idefics-swift",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Idefics", targets: ["Idefics"]),
        .library(name: "IdeficsTraining", targets: ["IdeficsTraining"]),
        // Parts that are of use alone.
        .library(name: "IdeficsTensor", targets: ["IdeficsTensor"]),
        .library(name: "IdeficsNN", targets: ["IdeficsNN"]),
        .library(name: "IdeficsCheckpoints", targets: ["IdeficsCheckpoints"]),
        .library(name: "IdeficsTokenizers", targets: ["IdeficsTokenizers"]),
        .library(name: "IdeficsImages", targets: ["IdeficsImages"]),
        .library(name: "IdeficsHub", targets: ["IdeficsHub"]),
        .library(name: "IdeficsGeneration", targets: ["IdeficsGeneration"]),
        .executable(name: "idefics", targets: ["IdeficsCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // MARK: Ground floor: files, JSON, text, output, hashes, random numbers, threads; knows nothing of models
        .target(name: "CIdeficsFiles", cSettings: cSettings),
        .target(name: "CIdeficsHash", cSettings: cSettings),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        library("IdeficsFoundation", ["CIdeficsFiles", "CIdeficsHash", "CCrypto"]),

        // MARK: Engine
        .target(name: "CIdeficsKernels", cSettings: cSettings, linkerSettings: [.linkedLibrary("m")]),
        .target(name: "CIdeficsPages", cSettings: cSettings),
        library("IdeficsTensor", ["IdeficsFoundation", "CIdeficsKernels", "CIdeficsPages"]),
        // What every device must compute, beside plain loops.
        library("BackendConformance", ["IdeficsFoundation", "IdeficsTensor"]),
        library("IdeficsNN", ["IdeficsTensor"]),

        // MARK: Files and network
        library("IdeficsCheckpoints", ["IdeficsFoundation", "IdeficsTensor"]),
        library("IdeficsTokenizers", ["IdeficsFoundation"]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        library("IdeficsNetwork", ["IdeficsFoundation", "CCurl"]),
        library("IdeficsHub", ["IdeficsFoundation", "IdeficsNetwork"]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
        .target(
            name: "CIdeficsCodecs",
            dependencies: ["CJPEG", "CPNG", "CWebP"],
            cSettings: cSettings,
            linkerSettings: [.linkedLibrary("z")]  // of libpng, for what it does not tell
        ),
        library("IdeficsImages", ["IdeficsFoundation", "CIdeficsCodecs", "IdeficsNetwork"]),

        // MARK: The model and what runs it
        library("IdeficsGeneration", ["IdeficsFoundation"]),
        library(
            "Idefics",
            [
                "IdeficsFoundation", "IdeficsTensor", "IdeficsNN", "IdeficsCheckpoints", "IdeficsTokenizers",
                "IdeficsHub",
                "IdeficsImages", "IdeficsGeneration",
            ]
        ),
        library(
            "IdeficsTraining",
            [
                "IdeficsFoundation", "Idefics", "IdeficsTensor", "IdeficsCheckpoints", "IdeficsGeneration",
                "IdeficsImages", "IdeficsTokenizers", .product(name: "Yams", package: "Yams"),
            ]
        ),
        .executableTarget(
            name: "IdeficsCLI",
            dependencies: [
                "IdeficsFoundation", "Idefics", "IdeficsTraining", "IdeficsTensor", "IdeficsNN", "IdeficsCheckpoints",
                "IdeficsTokenizers", "IdeficsHub", "IdeficsImages", "IdeficsGeneration",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings
        ),

        // MARK: Tests
        .executableTarget(
            name: "CIdeficsConformance",
            dependencies: ["CIdeficsKernels"],
            cSettings: cSettings
        ),
        .target(
            name: "IdeficsTestSupport",
            dependencies: ["IdeficsFoundation", "IdeficsCheckpoints", "IdeficsTensor"],
            path: "Tests/IdeficsTestSupport",
            swiftSettings: swiftSettings
        ),
        .target(
            name: "IdeficsHTTPTestSupport",
            dependencies: ["IdeficsFoundation"],
            path: "Tests/IdeficsHTTPTestSupport",
            swiftSettings: swiftSettings
        ),
        tests("IdeficsFoundation", ["IdeficsTestSupport"]),
        tests("CIdeficsKernels", ["CIdeficsConformance", "IdeficsTestSupport"]),
        tests("IdeficsTensor", ["IdeficsFoundation", "IdeficsTestSupport"]),
        tests("BackendConformance", ["IdeficsTensor", "IdeficsTestSupport"]),
        tests("IdeficsNN", ["IdeficsTensor"]),
        tests("IdeficsCheckpoints", ["IdeficsFoundation", "IdeficsTensor", "IdeficsTestSupport"]),
        tests("IdeficsTokenizers", ["IdeficsFoundation", "IdeficsTestSupport"]),
        tests("IdeficsNetwork", ["IdeficsFoundation", "IdeficsTestSupport", "IdeficsHTTPTestSupport"]),
        tests("IdeficsHub", ["IdeficsFoundation", "IdeficsNetwork", "IdeficsTestSupport", "IdeficsHTTPTestSupport"]),
        tests("IdeficsImages", ["IdeficsTestSupport"]),
        tests("IdeficsGeneration", ["IdeficsFoundation", "IdeficsTestSupport"]),
        tests(
            "Idefics",
            [
                "IdeficsFoundation", "IdeficsTensor", "IdeficsCheckpoints", "IdeficsTokenizers", "IdeficsImages",
                "IdeficsGeneration", "IdeficsTestSupport",
            ]
        ),
        tests(
            "IdeficsTraining",
            [
                "IdeficsCLI", "Idefics", "IdeficsFoundation", "IdeficsTensor", "IdeficsCheckpoints",
                "IdeficsTokenizers", "IdeficsImages", "IdeficsTestSupport", "IdeficsHTTPTestSupport",
            ]
        ),
        tests(
            "IdeficsCLI",
            [
                "Idefics", "IdeficsFoundation", "IdeficsTensor", "IdeficsCheckpoints", "IdeficsImages",
                "IdeficsTestSupport", "IdeficsHTTPTestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)
