#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# The main job once: a photograph and a question in, text out.
# Usage: demo.sh IDEFICS MODEL PHOTO [PROMPT]
set -euo pipefail

idefics=$1 model=$2 photo=$3 prompt=${4:-}
tiny=Tests/Fixtures/f7-e2e

# The photograph and one question.
ask() {
    printf '%s\n' "$2" | "$idefics" chat --model "$model" --image "$photo" --max-new-tokens "$1" "${@:3}"
}

show() { printf '%-7s %s\n' "$1" "$2"; }

# Real weights, but no training has connected image and text yet: say so, and ask nothing that needs the image.
demo_with_real_weights() {
    local beginning='Cats are among the most popular pets, because'
    local question=${prompt:-Write one sentence about a cat on a sofa.}
    show model "$model: SmolLM2-135M-Instruct and a ViT-S, joined into one IDEFICS"
    show photo "$photo"
    echo
    echo 'The language model and the vision tower are real. The connection between image and text is new and'
    echo 'untrained: the photograph is read, but the words below do not depend on it and are not about it.'
    echo
    show prompt "$photo $beginning"
    printf '%s' "$beginning"
    "$idefics" generate --model "$model" --image "$photo" "$beginning" --max-new-tokens 48 --repetition-penalty 1.1 \
        --stop-strings $'\n'
    echo
    show prompt "$photo $question"
    ask 64 "$question" --repetition-penalty 1.1
}

demo_with_random_weights() {
    show model "$model"
    show photo "$photo"
    show prompt "${prompt:=What is in this image?}"
    echo '(the bundled model is a tiny one with random weights: it shows that everything runs, its words mean nothing.'
    echo ' Real ones: make demo-model, or make demo MODEL=HuggingFaceM4/idefics-9b-instruct)'
    echo
    ask 32 "$prompt"
}

demo_with_any_model() {
    show model "$model"
    show photo "$photo"
    show prompt "${prompt:=What is in this image?}"
    echo
    ask 128 "$prompt"
}

# `download` prints where the model is; off a terminal it offers nothing.
if [ "$model" = demo ] && ! "$idefics" download --model demo </dev/null >/dev/null 2>&1; then
    program=$(cd "$(dirname "$idefics")" && pwd)/$(basename "$idefics")
    if ! IDEFICS=$program Tools/demo_model.sh; then
        echo
        echo 'The demo model cannot be made here (the reason is above); this is the bundled tiny model instead.'
        echo
        model=$tiny
    fi
fi
case $model in
    demo) demo_with_real_weights ;;
    Tests/Fixtures/*) demo_with_random_weights ;;
    *) demo_with_any_model ;;
esac
