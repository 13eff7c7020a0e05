#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Style, and rules of this project that swift format does not know.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0

# only WHERE WHAT PATTERN: lines of Swift code that match PATTERN are allowed in files whose paths match WHERE alone.
only() {
    local found
    found=$(grep -rnE --include='*.swift' "$3" Sources | grep -vE "^[^:]+:[0-9]+: *//" | grep -vE "^($1)") || return 0
    printf '%s\n%s\n\n' "$2" "$found" >&2
    status=1
}

# Results that cannot be written are errors, messages that cannot be written are dropped, and nothing traps. Bench starts
# other programs, whose pipes are file handles.
only 'Sources/IdeficsFoundation/Output/|Sources/IdeficsCLI/Bench/' \
    'Output goes through IdeficsFoundation/Output (on Linux FileHandle.write ends the process when a write fails):' \
    'FileHandle|(^|[^.A-Za-z_])(print|debugPrint|dump|puts|fputs|fputc|putchar|printf|vprintf|fprintf|fwrite)\('

# Names of files need not be UTF-8, which Foundation takes them for.
only 'Sources/IdeficsFoundation/Files/|Sources/IdeficsCLI/Bench/|Sources/IdeficsCLI/Commands/Bench|Sources/IdeficsCLI/Options/DemoModelOffer|Sources/IdeficsTensor/CPU/ControlGroups' \
    'Files are named, looked at, opened and removed by IdeficsFoundation/Files (Files, URL(localPath:), PathBytes):' \
    'FileManager\.default\.[^h]|(Data|String)\(contentsOf|URL\((filePath|fileURLWithPath)|resolvingSymlinksInPath|processInfo\.environment|CommandLine\.|(^|[^.A-Za-z_])f?open\([a-z.]*[pP]ath'

# Package.swift declares what its targets import, no more and no less.
if command -v python3 >/dev/null; then Tools/check_imports.py || status=1; fi

# Documentation names files and headings that are there; skipped where there is no Python.
if command -v python3 >/dev/null; then Tools/check_links.py || status=1; fi

swift format lint --strict --recursive Package.swift Sources Tests Snippets || status=1
exit $status
