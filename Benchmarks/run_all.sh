#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Measures everything: the machine's limits, kernels, whole models, start-up, and the peers beside them; then writes one
# dated report in Markdown. Nothing else should run on the machine meanwhile. On two cores it takes about an hour with 3
# rounds, and needs 14 GB of memory and 12 GB of disk. What is measured already is kept, so that a stopped run goes on, and
# one part is measured again by removing its file.
#
# Usage: run_all.sh [--rounds N] [--without-peers] [--results DIR] [--output FILE]
#   --rounds N       rounds of each part; medians are over these (default: 3)
#   --without-peers  only this program
#   --results DIR    where each part's JSON goes (default: a folder of the date in the cache folder)
#   --output FILE    the report (default: DIR/report.md)
#
# Environment: IDEFICS (the program; default: .build/release/idefics, which must be built), THREADS (default: all cores),
# IDEFICS_CACHE, XDG_CACHE_HOME (the cache folder), PEERS_PYTHON (a Python with torch and transformers; without it that
# peer is skipped).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$here")
cache=${IDEFICS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/idefics}
idefics=${IDEFICS:-$repository/.build/release/idefics}
threads=${THREADS:-$(nproc)}
rounds=3 peers=yes results= output=

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=${2:?--rounds takes a number} && shift ;;
        --without-peers) peers=no ;;
        --results) results=${2:?--results takes a directory} && shift ;;
        --output) output=${2:?--output takes a file} && shift ;;
        -h | --help) sed -n '5,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
        *) fail "unknown option $1 (--help lists them)" ;;
    esac
    shift
done
[ -x "$idefics" ] || fail "$idefics is not built: swift build -c release --product idefics"
results=${results:-$cache/benchmarks/$(date +%F)}
output=${output:-$results/report.md}
mkdir -p "$results"

# part NAME COMMAND...: its standard output in NAME.json, unless it is there.
part() {
    local name=$1 start
    shift
    if [ -e "$results/$name.json" ]; then
        echo "$name is measured already: $results/$name.json"
        return
    fi
    echo "== $(date +%T) $name: $*"
    start=$(date +%s)
    "$@" >"$results/$name.partial"
    mv "$results/$name.partial" "$results/$name.json"
    echo "   $(($(date +%s) - start)) s"
}

bench=("$idefics" bench)
common=(--rounds "$rounds" --threads "$threads" --json)
vision=(--vision int8 --resampler int8)
part kernels "${bench[@]}" kernels "${common[@]}"
part model-int4 "${bench[@]}" model --format int4 "${common[@]}"
part model-int8 "${bench[@]}" model --format int8 "${vision[@]}" "${common[@]}"
part model-nf4 "${bench[@]}" model --format nf4 "${common[@]}"
part model-bf16 "${bench[@]}" model --format bf16 "${common[@]}"
part model-int4-32 "${bench[@]}" model --format int4 --layers 32 "${common[@]}"
part startup-int4 "${bench[@]}" startup --format int4 --tokenizer "$repository/Tests/Fixtures/tokenizer-mistral" "${common[@]}"
part train-bf16 "${bench[@]}" train --format bf16 --bf16 "${common[@]}"
part train-qlora "${bench[@]}" train --layers 32 --format nf4 --head keep --embeddings keep --resampler nf4 --vision nf4 \
    --lora-r 16 --bf16 --tokens 256 "${common[@]}"
if [ "$peers" = yes ]; then
    JOBS=${JOBS:-$threads} "$here/peers/build_llama_cpp.sh"
    part llama-cpp "$cache/peers/venv/bin/python" "$here/peers/llama_cpp.py" --idefics "$idefics" "${common[@]}"
    if [ -n "${PEERS_PYTHON:-}" ]; then
        part training "$PEERS_PYTHON" "$here/peers/transformers_training.py" --idefics "$idefics" "${common[@]}"
        part transformers "$PEERS_PYTHON" "$here/peers/transformers_idefics.py" --idefics "$idefics" "${common[@]}"
    else
        echo "transformers is skipped: PEERS_PYTHON names no Python with torch and transformers"
    fi
fi
python3 "$here/report.py" "$results" >"$output"
echo "the report is $output"
