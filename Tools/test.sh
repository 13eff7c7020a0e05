#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Everything that must hold, in stages that can run apart.
#
# Usage: test.sh [STAGE...]   (default: all, in this order)
#   lint      format and rules of this project
#   unit      all tests in release
#   large     models larger than memory
#   snippets  every program in Snippets/, on a tiny model
#   docs      the API documentation without a warning
#   arm64     the arm64 kernels, under an emulator elsewhere
#   asan      what reads files, images and pages, and the kernels, under the address sanitizer
#   tsan      downloads, weights read ahead and the thread pool, under the thread sanitizer
set -euo pipefail
cd "$(dirname "$0")/.."

stages=(lint unit large snippets docs arm64 asan tsan)

stage_lint() {
    Tools/lint.sh
}

stage_unit() {
    swift build -c release --build-tests
    # Real weights for the parity tests of the demo model, which are skipped where its packages cannot be fetched.
    IDEFICS=$PWD/.build/release/idefics Tools/demo_model.sh ||
        echo "the demo model's tests are skipped: it could not be made (above)"
    swift test -c release --skip-build
}

stage_large() {
    swift build -c release --product idefics
    Tools/test-large.sh
}

stage_snippets() {
    Tools/test-snippets.sh
}

stage_docs() {
    Tools/docs.sh
}

stage_arm64() {
    Tools/test-arm64.sh
}

# Leaks are not looked for: XCTest and Foundation keep some memory of their own until the end.
stage_asan() {
    ASAN_OPTIONS=detect_leaks=0 swift test --scratch-path .build-asan --sanitize=address \
        --filter 'IdeficsCheckpointsTests|IdeficsTokenizersTests|IdeficsImagesTests|IdeficsTensorTests|CIdeficsKernelsTests'
}

stage_tsan() {
    TSAN_OPTIONS=suppressions=$PWD/Tools/thread-sanitizer.supp swift test --scratch-path .build-tsan --sanitize=thread \
        --filter 'IdeficsNetworkTests|IdeficsHubTests|WeightStreamTests'
    .build-tsan/debug/CIdeficsConformance pool/
}

[ $# -gt 0 ] || set -- "${stages[@]}"
for stage in "$@"; do
    if ! declare -F "stage_$stage" >/dev/null; then
        echo "error: no stage \"$stage\"; there are: ${stages[*]}" >&2
        exit 64
    fi
done
for stage in "$@"; do
    printf '\n== %s (%s s)\n' "$stage" "$SECONDS"
    "stage_$stage"
done
printf '\n== done (%s s)\n' "$SECONDS"
