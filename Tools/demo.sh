#!/usr/bin/env bash
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
#
# The main job once: a photograph and a question in, text out.
# Usage: demo.sh IDEFICS MODEL PHOTO PROMPT
set -euo pipefail

idefics=$1 model=$2 photo=$3 prompt=$4
echo "model   $model"
echo "photo   $photo"
echo "prompt  $prompt"
case $model in
    Tests/Fixtures/*)
        echo "(the bundled model is a tiny one with random weights: it shows that everything runs, its words mean nothing."
        echo " A real one: make demo MODEL=HuggingFaceM4/idefics-9b-instruct)"
        ;;
esac
echo
printf '%s\n' "$prompt" | "$idefics" chat --model "$model" --image "$photo" --max-new-tokens 32
