# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""What transformers computes with a model that `idefics init` made: Tests/Fixtures/init/joined.

    idefics init --language-model Tests/Fixtures/init/llama-gqa --vision-model Tests/Fixtures/init/clip-full \
        --cross-layer-interval 2 --resampler-depth 2 --resampler-n-latents 5 --resampler-n-heads 2 \
        --resampler-head-dim 12 --alpha-initializer ones --expand-key-value-heads --end-of-utterance \
        --dtype float32 --seed 7 --output joined
    python Tools/make_golden_joined.py joined Tests/Fixtures/init/joined

The gates are open, so that every parameter shows in the logits. Made with torch 2.13.0+cpu, transformers 5.23.0.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, IdeficsForVisionText2Text


def main(model_folder: str, output: str) -> None:
    model, loading = IdeficsForVisionText2Text.from_pretrained(
        model_folder, attn_implementation="eager", output_loading_info=True
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not loading[kind], (kind, loading[kind])
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    text = "<fake_token_around_image><image><fake_token_around_image>a cat<end_of_utterance>\nthe dog"
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    size = model.config.vision_config.image_size
    pixels = torch.randn(1, 1, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels,
            image_attention_mask=torch.ones(1, ids.shape[1], 1, dtype=torch.long),
            use_cache=False,
        ).logits
    Path(output).mkdir(parents=True, exist_ok=True)
    tensors = {"input_ids": ids, "pixel_values": pixels, "logits": logits.float().contiguous()}
    save_file(tensors, Path(output) / "golden.safetensors")
    print(ids.tolist(), logits.shape, float(logits.abs().max()))


if __name__ == "__main__":
    main(*sys.argv[1:])
