#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs every program in Snippets/, on the tiny model with random weights.
#
# Usage: test-snippets.sh [CONFIGURATION]   (default: release)
set -euo pipefail
cd "$(dirname "$0")/.."

configuration=${1:-release}
swift build -c "$configuration"
programs=$(swift build -c "$configuration" --show-bin-path)

model=Tests/Fixtures/f7-e2e
image=docs/images/cat.jpg
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$image" "$folder/cat.jpg"
echo '{"image": "cat.jpg", "text": "A cat."}' >"$folder/examples.jsonl"

# Prints what a snippet is called with.
arguments() {
    case $1 in
        Generate | ImageStore | CustomBackend) printf '%s\n' "$model" "$image" ;;
        Batch) printf '%s\n' "$model" "$image" docs/images/triangle.png ;;
        Chat) printf '%s\n' "$model" "$image" 'What is this?' 'What else?' ;;
        Score) printf '%s\n' "$model" "$image" cat dog ;;
        Quantize) printf '%s\n' "$model" "$folder/quantized" ;;
        FineTune) printf '%s\n' "$model" "$folder/examples.jsonl" "$folder/run" 2 ;;
        CustomData) printf '%s\n' "$model" "$folder/colors" 2 ;;
        *)
            echo "error: Snippets/$1.swift is not run: say in Tools/test-snippets.sh with what" >&2
            return 1
            ;;
    esac
}

for file in Snippets/*.swift; do
    name=$(basename "$file" .swift)
    list=$(arguments "$name")
    mapfile -t list <<<"$list"
    echo "$name"
    # A model with random weights says anything, but something.
    "$programs/$name" "${list[@]}" >"$folder/$name.txt"
    [ -s "$folder/$name.txt" ] || {
        echo "error: $name printed nothing" >&2
        exit 1
    }
done

# The same question: another device gives the CPU's answer.
if [ "$(head -n 1 "$folder/CustomBackend.txt")" != "$(head -n 1 "$folder/ImageStore.txt")" ]; then
    echo "error: CustomBackend answers otherwise than the CPU" >&2
    exit 1
fi
