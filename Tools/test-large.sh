#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Models that do not fit in memory: a checkpoint of 1.6 GB with matrices as large as the 80B's must generate the same
# tokens in a control group of 500 MB as without one, and `quantize` must not take more than 2 GiB of its own.
# Takes 2 GB of disk for a while. Where no control group can be made, --memory takes its place and the peak of resident
# memory is compared with it.
#
#   Tools/test-large.sh [IDEFICS]
set -euo pipefail
cd "$(dirname "$0")/.."
idefics=$(realpath "${1:-.build/release/idefics}")

limit=$((500 * 1000 * 1000))
folder=$(mktemp -d)
group=
cleanup() {
    rm -rf "$folder"
    [ -z "$group" ] || rmdir "$group" 2>/dev/null || true
}
trap cleanup EXIT
fail() {
    echo "FAILED: $*" >&2
    cat "$folder"/*.log >&2 || true
    exit 1
}

free=$(df --output=avail -B1 "$folder" | tail -1)
if [ "$free" -lt $((4 * 1000 * 1000 * 1000)) ]; then
    echo "SKIPPED: large models: less than 4 GB of disk are free in $folder"
    exit 0
fi

# The shapes of the 80B's decoder, but two layers and a small vision tower.
cat >"$folder/config.json" <<'JSON'
{"model_type": "idefics", "additional_vocab_size": 2, "cross_layer_interval": 2, "hidden_size": 8192,
 "intermediate_size": 22016, "num_attention_heads": 64, "num_hidden_layers": 2, "qk_layer_norms": true,
 "rms_norm_eps": 1e-5, "use_resampler": true, "vocab_size": 32000, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
 "perceiver_config": {"qk_layer_norms_perceiver": true, "resampler_depth": 1, "resampler_head_dim": 96,
                      "resampler_n_heads": 16, "resampler_n_latents": 64},
 "vision_config": {"embed_dim": 1280, "image_size": 56, "intermediate_size": 5120, "patch_size": 14,
                   "num_attention_heads": 16, "num_hidden_layers": 1}}
JSON

# Pages that were written a moment ago would be in memory at nobody's cost.
forget() {
    sync "$1"/*.safetensors
    for file in "$1"/*.safetensors; do dd if="$file" iflag=nocache count=0 status=none; done
}

# MARK: Generating

"$idefics" random-checkpoint --config "$folder/config.json" --format int4 --output "$folder/model"
cp Tests/Fixtures/f7-e2e/tokenizer*.json "$folder/model/"
generate=(generate --model "$folder/model" "Hello" --max-new-tokens 2 --json)
tokens() { sed 's/.*"token_ids":\(\[[^]]*\]\).*/\1/' "$1"; }

"$idefics" "${generate[@]}" --no-stream >"$folder/free.json" 2>"$folder/free.log" || fail "generate without a limit"
forget "$folder/model"

# A group of version 2, then of version 1; both beside this process's own.
make_group() {
    local name=idefics-test-$$ own
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
        for parent in "$(dirname "$own")" "$own" /sys/fs/cgroup; do
            group=$parent/$name
            if mkdir "$group" 2>/dev/null; then
                if echo $limit 2>/dev/null >"$group/memory.max"; then return 0; fi
                rmdir "$group"
            fi
        done
    elif group=/sys/fs/cgroup/memory/$name && mkdir "$group" 2>/dev/null; then
        if echo $limit 2>/dev/null >"$group/memory.limit_in_bytes"; then return 0; fi
        rmdir "$group"
    fi
    group=
    return 1
}

if make_group && (echo $BASHPID >"$group/cgroup.procs") 2>/dev/null; then
    echo "generating 2 tokens from $(du -sh "$folder/model" | cut -f1)B in a control group of $((limit / 1000000)) MB"
    (
        echo $BASHPID >"$group/cgroup.procs"
        exec "$idefics" "${generate[@]}"
    ) >"$folder/limited.json" 2>"$folder/limited.log" || fail "generate in a control group: exit $?"
else
    echo "SKIPPED: no control group can be made here; --memory takes its place"
    command -v python3 >/dev/null || { echo "SKIPPED: nor is there a python3 to watch memory"; exit 0; }
    python3 - $limit "$idefics" "${generate[@]}" --memory "$limit" \
        >"$folder/limited.json" 2>"$folder/limited.log" <<'PYTHON' || fail "generate with --memory"
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print("peak of resident memory:", peak, file=sys.stderr)
sys.exit(status or peak > int(sys.argv[1]))
PYTHON
fi
[ "$(tokens "$folder/free.json")" = "$(tokens "$folder/limited.json")" ] || fail "other tokens than without a limit"
grep -q 'warning: the weights take .* s for each token' "$folder/limited.log" || fail "no warning"
grep warning "$folder/limited.log"
"$idefics" inspect --model "$folder/model" --memory $limit | grep -q 'memory .* are read from their files' ||
    fail "inspect does not report it"
rm -r "$folder/model"

# MARK: Quantizing

# RLIMIT_DATA counts what a process has of its own, not what it maps of files: the bound that quantizing promises. The
# matrices are a layer of the 9B, and an embedding as large as the 80B's, larger than any other matrix of it.
sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 1/; s/"cross_layer_interval": 2/"cross_layer_interval": 1/
        s/"hidden_size": 8192/"hidden_size": 4096/; s/"intermediate_size": 22016/"intermediate_size": 11008/
        s/"vocab_size": 32000/"vocab_size": 64000, "tie_word_embeddings": true/' "$folder/config.json"
"$idefics" random-checkpoint --config "$folder/config.json" --output "$folder/dense"
echo "quantizing $(du -sh "$folder/dense" | cut -f1)B with 2 GiB of memory"
(
    ulimit -d $((2 * 1024 * 1024))
    exec "$idefics" quantize --model "$folder/dense" --format int4 --output "$folder/model"
) >"$folder/quantize.log" 2>&1 || fail "quantize: exit $?"
echo "large models: passed in $SECONDS s"
