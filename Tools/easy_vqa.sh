#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Fetches easy-VQA (images of one colored shape, questions about them) out of its Python package and writes it as
# examples for `idefics finetune`: train.jsonl from the training split, held-out.jsonl from the test split, and images/.
# docs/tutorial-easy-vqa.md trains on it.
#
# Usage: easy_vqa.sh [--train N] [--held-out N] [DIR]
#   DIR           where the data goes (default: "easy-vqa" in the cache folder)
#   --train N     examples to train on, one per image (default: 640)
#   --held-out N  examples to evaluate on, one per image (default: 100)
#
# Environment: IDEFICS_CACHE, XDG_CACHE_HOME (the cache folder: $IDEFICS_CACHE, else $XDG_CACHE_HOME/idefics, else
# ~/.cache/idefics), PYTHON (default: python3). Fetches 3 MB.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${IDEFICS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/idefics}
python=${PYTHON:-python3}
wheel=easy_vqa-1.0-py3-none-any.whl

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 1
}

# Sets train, held_out and output.
parse_arguments() {
    train=640 held_out=100 output=
    while [ $# -gt 0 ]; do
        case $1 in
            --train | --held-out)
                [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "$1 needs a number from 1 to 9999"
                [ "$1" = --train ] && train=$2 || held_out=$2
                shift
                ;;
            -h | --help) sed -n '5,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
            -*) fail "unknown option $1 (--help lists them)" ;;
            *) [ -z "$output" ] || fail "one directory, not two: $output, $1" && output=$1 ;;
        esac
        shift
    done
    output=${output:-$cache/easy-vqa}
}

# pip of its own: Debian's python3 has none.
download() {
    [ ! -e "$output/$wheel" ] || return 0
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments (Debian: apt-get install python3 python3-venv)"
    local venv
    venv=$(mktemp -d)
    trap 'rm -rf "$venv"' RETURN
    "$python" -m venv "$venv"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip download --quiet --no-deps --only-binary :all: \
        --require-hashes -r "$tools/demo/easy_vqa.txt" -d "$output" ||
        fail "pip could not fetch easy-vqa 1.0 from the package registry it is set up for (its message is above)." \
            "Offline: put $wheel into $output and run this script again."
}

parse_arguments "$@"
command -v "$python" >/dev/null || fail "missing: python3, 3.9 or newer (Debian: apt-get install python3 python3-venv)"
mkdir -p "$output" || fail "cannot make $output"
download
"$python" "$tools/demo/convert_easy_vqa.py" "$output/$wheel" "$output" "$train" "$held_out"
