#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the API documentation of each library with DocC, which the toolchain has; warnings (links to nothing, above all)
# are errors. A module's catalog, if it has one, is Sources/MODULE/MODULE.docc.
#
# Usage: docs.sh [--output DIR] [--configuration release|debug] [MODULE...]   (default: all libraries, .build/docs)
#
# Serve the result with `python3 -m http.server -d .build/docs/Idefics.doccarchive` and open /documentation/idefics.
set -euo pipefail
cd "$(dirname "$0")/.."

output=.build/docs configuration=release modules=()
while [ $# -gt 0 ]; do
    case $1 in
        --output | --configuration)
            [ $# -gt 1 ] || { echo "error: $1 needs a value" >&2 && exit 64; }
            declare "${1#--}=$2"
            shift
            ;;
        -h | --help) sed -n '5,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
        -*) echo "error: unknown option $1 (--help lists them)" >&2 && exit 64 ;;
        *) modules+=("$1") ;;
    esac
    shift
done
# The libraries that are products.
[ ${#modules[@]} -gt 0 ] || mapfile -t modules < <(sed -n 's/^ *\.library(name: "\([^"]*\)".*/\1/p' Package.swift)

swift build -c "$configuration" --product idefics
built=$(swift build -c "$configuration" --show-bin-path)

# Symbols are read from the compiled modules, so that nothing is compiled for them. C modules are found by their maps.
flags=(-target "$(swift -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)",/\1/p')" -I "$built/Modules")
for map in "$built"/*.build/module.modulemap Sources/*/module.modulemap .build/checkouts/*/Sources/*/include/module.modulemap; do
    flags+=(-Xcc "-fmodule-map-file=$map")
done

mkdir -p "$output"
graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT
for module in "${modules[@]}"; do
    mkdir "$graphs/$module"
    # The umbrella shows what it re-exports: its users import nothing else.
    exported=
    [ "$module" != Idefics ] ||
        exported=$(sed -n 's/^@_exported public import //p' "Sources/$module"/*.swift | paste -sd,)
    swift symbolgraph-extract -module-name "$module" "${flags[@]}" -output-dir "$graphs/$module" \
        -minimum-access-level public -skip-inherited-docs -skip-synthesized-members \
        ${exported:+-experimental-allowed-reexported-modules="$exported"}
    catalog=Sources/$module/$module.docc
    [ -d "$catalog" ] || catalog=
    echo "$module"
    docc convert ${catalog:+"$catalog"} --additional-symbol-graph-dir "$graphs/$module" \
        --fallback-display-name "$module" --fallback-bundle-identifier "$module" --fallback-default-module-kind Library \
        --warnings-as-errors --output-dir "$output/$module.doccarchive"
done
