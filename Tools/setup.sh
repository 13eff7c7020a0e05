#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that what the package is built with is there: a Swift toolchain and the development files of five C
# libraries. Installs the latter where there is apt; elsewhere says exactly what is missing.
set -euo pipefail

if ! command -v swift >/dev/null; then
    echo "missing: swift 6.2 or newer (https://www.swift.org/install)" >&2
    exit 1
fi

# pkg-config's name and Debian's name of each.
libraries=(libcurl:libcurl4-openssl-dev libcrypto:libssl-dev libjpeg:libjpeg62-turbo-dev libpng:libpng-dev libwebp:libwebp-dev)

missing=()
if command -v pkg-config >/dev/null; then
    for library in "${libraries[@]}"; do
        pkg-config --exists "${library%%:*}" || missing+=("${library##*:}")
    done
else
    missing=(pkg-config)
    for library in "${libraries[@]}"; do missing+=("${library##*:}"); done
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "missing, by their Debian names: ${missing[*]}" >&2
    echo "install the libraries' development files with this system's package manager and run again" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "missing: ${missing[*]}; as root, run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
