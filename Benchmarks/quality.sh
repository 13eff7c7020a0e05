#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# What each quantized format costs in quality: perplexity, mean Kullback-Leibler divergence from the original's next-token
# distribution, agreement of the most likely token and bits a weight of the decoder, as a table in Markdown.
# The texts come from Debian packages: debian-faq is read, debian-reference and the Debian policy calibrate.
#
# Usage: quality.sh [--model MODEL] [--bytes N] [--context N] [--calibration-tokens N] [--only NAME]... [--list]
#   --model MODEL           directory, ORG/NAME or demo with dense weights (default: demo; Tools/demo_model.sh makes it)
#   --bytes N               bytes of text that are read (default: 180000, all there is)
#   --context N             tokens the model reads at once (default: 1024)
#   --calibration-tokens N  (default: 16384)
#   --only NAME             only this row; may be repeated
#   --list                  name the rows
#
# Environment: IDEFICS_CACHE, XDG_CACHE_HOME (packages and models are kept in quality/ of the cache folder), IDEFICS (the
# program; default: .build/release/idefics, built if missing). Needs apt-get, dpkg-deb and python3.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${IDEFICS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/idefics}
work=$cache/quality

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 1
}

# NAME | options of idefics quantize | options of idefics perplexity
rows() {
    cat <<'END'
unquantized||
int8|--format int8|
int8 exact|--format int8|--exact
int8 calibrated|--format int8 --calibration|
nf4|--format nf4|
int4|--format int4|
int4 exact|--format int4|--exact
int4 calibrated|--format int4 --calibration|
int4 calibrated exact|--format int4 --calibration|--exact
int4 calibrated, v and down in int8|--format int4 --calibration --keep-int8 v_proj,down_proj|
int4 calibrated, v, o and down in int8|--format int4 --calibration --keep-int8 v_proj,o_proj,down_proj|
END
}

parse_arguments() {
    model=demo bytes=180000 context=1024 tokens=16384 only=()
    while [ $# -gt 0 ]; do
        case $1 in
            --model | --bytes | --context | --calibration-tokens | --only)
                [ $# -gt 1 ] || fail "$1 needs a value"
                case $1 in
                    --model) model=$2 ;;
                    --bytes) bytes=$2 ;;
                    --context) context=$2 ;;
                    --calibration-tokens) tokens=$2 ;;
                    --only) only+=("$2") ;;
                esac
                shift
                ;;
            --list) rows | cut -d'|' -f1 && exit 0 ;;
            -h | --help) sed -n '5,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
            *) fail "unknown option $1 (--help lists them)" ;;
        esac
        shift
    done
    case $bytes$context$tokens in *[!0-9]*) fail "--bytes, --context and --calibration-tokens are whole numbers" ;; esac
}

find_program() {
    idefics=${IDEFICS:-$repository/.build/release/idefics}
    [ -x "$idefics" ] && return
    [ -z "${IDEFICS:-}" ] || fail "IDEFICS=$IDEFICS is no program"
    (cd "$repository" && swift build -c release --product idefics >&2)
}

# package NAME FILE VERSION SHA256: the text FILE of a package, in $work. Other versions are used, and said to be others.
package() {
    local name=$1 file=$2 version=$3 sha256=$4 found deb
    [ ! -s "$work/$name.txt" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "needs apt-get and dpkg-deb (Debian or Ubuntu)"
    mkdir -p "$work/deb"
    (cd "$work/deb" && apt-get download "$name=$version" >&2 || apt-get download "$name" >&2) ||
        fail "apt-get could not download $name (apt-get update may help)"
    deb=$(ls -t "$work/deb/${name}"_*.deb | head -n 1)
    found=$(sha256sum "$deb" | cut -d' ' -f1)
    if [ "$found" != "$sha256" ]; then
        echo "note: ${deb##*/} is not version $version: figures will differ from those in docs/quantization.md" >&2
    fi
    dpkg-deb -x "$deb" "$work/deb/$name"
    gzip -dc "$work/deb/$name/$file" >"$work/$name.partial" || fail "$name has no $file"
    mv "$work/$name.partial" "$work/$name.txt"
}

make_texts() {
    package debian-faq usr/share/doc/debian/FAQ/debian-faq.en.txt.gz 11.1 \
        427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0
    package debian-reference-en usr/share/debian-reference/debian-reference.en.txt.gz 2.100 \
        9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f
    package debian-policy usr/share/doc/debian-policy/policy.txt.gz 4.6.2.0 \
        ef9d01b625c3b87c3a845c2cd1b66f1a16e9240b2b9e5bee53472a00e8457a39
    # Cut at lines: half a character is no UTF-8.
    python3 - "$work" "$bytes" <<'END'
import pathlib, sys
work, size = pathlib.Path(sys.argv[1]), int(sys.argv[2])
def part(name, start, size):
    text = (work / f"{name}.txt").read_bytes()
    start = text.index(b"\n", start) + 1 if start else 0
    return text[start : text.rfind(b"\n", start, start + size) + 1]
(work / "read.txt").write_bytes(part("debian-faq", 0, size))
# Pieces of both, taken in turns, so that a few thousand tokens already hold some of each.
pieces = [part(name, start, 8000) for start in range(20000, 400000, 40000) for name in ("debian-reference-en", "debian-policy")]
(work / "calibration.txt").write_bytes(b"".join(pieces))
END
}

is_wanted() {
    [ ${#only[@]} -gt 0 ] || return 0
    local name
    for name in "${only[@]}"; do [ "$name" != "$1" ] || return 0; done
    return 1
}

# row NAME QUANTIZE PERPLEXITY: one line of the table.
row() {
    local name=$1 quantize=$2 perplexity=$3 directory=$model bits=
    if [ -n "$quantize" ]; then
        directory=$work/model
        case $quantize in
            *--calibration*) quantize="${quantize/--calibration/--calibration $work/calibration.txt --calibration-tokens $tokens}" ;;
        esac
        if [ "$quantize" != "${made:-}" ]; then
            # shellcheck disable=SC2086 # the options are words
            "$idefics" quantize --model "$model" $quantize --output "$directory" --overwrite --json >"$work/report.json"
            made=$quantize
        fi
    fi
    # shellcheck disable=SC2086 # the options are words
    "$idefics" perplexity --model "$directory" --text "$work/read.txt" --context "$context" --reference "$model" \
        $perplexity --json >"$work/perplexity.json"
    python3 - "$name" "$work/perplexity.json" "${quantize:+$work/report.json}" <<'END'
import json, sys
name, path, report = sys.argv[1:]
found = json.load(open(path))
bits = "16"
if report:
    entries = [e for e in json.load(open(report))["entries"]
               if e["name"].startswith(("model.layers.", "model.gated_cross_attn_layers."))]
    bits = f'{8 * sum(e["byte_count"] for e in entries) / sum(e["element_count"] for e in entries):.2f}'
r = found["reference"]
print(f'| {name} | {bits} | {found["perplexity"]:.3f} | {100 * r["relative_loss"]:+.2f} % | {r["mean_divergence"]:.4f} '
      f'| {100 * r["top_agreement"]:.2f} % |', flush=True)
END
}

parse_arguments "$@"
find_program
make_texts
echo "| | Bits a weight | Perplexity | Loss | Divergence, nats | Same first choice |"
echo "| --- | --- | --- | --- | --- | --- |"
while IFS='|' read -r name quantize perplexity; do
    if is_wanted "$name"; then row "$name" "$quantize" "$perplexity" </dev/null; fi
done < <(rows)
