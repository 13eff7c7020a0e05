#!/bin/sh
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the kernels for arm64 and runs their conformance checks, natively on arm64 and under qemu elsewhere. Installs the
# emulator and the cross headers with apt where it may. Prints "skipped: why" and succeeds when they cannot be had.
# Arguments: parts of the names of the checks to run (default: all).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
sources="$root/Sources"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
    echo "skipped: $1"
    exit 0
}

compiler=$(command -v clang || true)
[ -n "$compiler" ] || skip "clang is not installed"

emulator=
target=
if [ "$(uname -m)" != aarch64 ] && [ "$(uname -m)" != arm64 ]; then
    if ! command -v qemu-aarch64-static >/dev/null || ! command -v aarch64-linux-gnu-gcc >/dev/null; then
        command -v apt-get >/dev/null || skip "no qemu-aarch64-static or aarch64-linux-gnu-gcc, and no apt-get to install them"
        [ "$(id -u)" = 0 ] || skip "no qemu-aarch64-static or aarch64-linux-gnu-gcc, and not root to install them"
        { apt-get update && apt-get install -y qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross; } \
            >"$work/apt.log" 2>&1 || skip "apt-get could not install qemu-user-static and gcc-aarch64-linux-gnu"
    fi
    emulator=qemu-aarch64-static
    # The C library's headers lie where the cross compiler keeps them; clang compiles, the cross gcc links.
    target="--target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include"
fi

for file in "$sources"/CIdeficsKernels/*.c "$sources"/CIdeficsKernels/*/*.c "$sources"/CIdeficsConformance/*.c; do
    object="$work/$(echo "${file#"$root"/}" | tr '/' '_').o"
    # shellcheck disable=SC2086 # the flags are words
    "$compiler" $target -std=gnu17 -O3 -Wall -Wextra -Werror -I "$sources/CIdeficsKernels/include" \
        -I "$sources/CIdeficsConformance/include" -c "$file" -o "$object"
done

if [ -n "$emulator" ]; then
    aarch64-linux-gnu-gcc -static "$work"/*.o -o "$work/conformance" -lm -lpthread
else
    "$compiler" "$work"/*.o -o "$work/conformance" -lm -lpthread
fi
$emulator "$work/conformance" "$@"
