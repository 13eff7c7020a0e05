#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Times the shapes of IDEFICS-9B here and in transformers, in turns: an image, prompts, and generating, all with one image.

Both sides have random weights: the whole vision tower and resampler, a number of decoder layers with their gated blocks
(gates open) and the head. Ours is `idefics bench model`, theirs IdeficsForVisionText2Text with scaled-dot-product
attention. Images of prompts are encoded beforehand on both sides; transformers then makes an image's keys and values in
the gated blocks anew for every token, as it does in use. With int8 and int4 our vision tower and resampler are int8, with
bf16 they are bf16. Medians, and the median of the ratios of each round, are printed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rounds as turns
from random_idefics import random_idefics

CONTEXT, PROMPTS, STEPS = 128, [128, 512], 8
# Names in `idefics bench model`, and ours.
NAMES = {
    "image: both": "images",
    "prefill 128, 1 image": "prefill 128",
    "prefill 512, 1 image": "prefill 512",
    f"decode after {CONTEXT}, 1 image": "decode",
}


class Transformers:
    """The model in transformers."""

    def __init__(self, layers: int, dtype: str) -> None:
        import torch

        self.torch = torch
        self.model = random_idefics(layers, dtype).eval()
        self.dtype = getattr(torch, dtype)
        self.image = torch.rand(1, 1, 64, 1280).to(self.dtype)

    def _run(self, tokens: int, seen: int, cache: object) -> object:
        torch = self.torch
        return self.model(
            input_ids=torch.arange(seen, seen + tokens).mul(37).remainder(32_000).unsqueeze(0),
            attention_mask=torch.ones(1, seen + tokens, dtype=torch.long),
            position_ids=torch.arange(seen, seen + tokens).unsqueeze(0),
            perceiver_embeddings=self.image,
            image_attention_mask=torch.ones(1, tokens, 1, dtype=torch.long),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )

    def measure(self) -> turns.Rates:
        """One round."""
        rates: turns.Rates = {}
        with self.torch.inference_mode():
            pixels = self.torch.rand(1, 3, 224, 224).to(self.dtype)
            start = time.perf_counter()
            features = self.model.model.vision_model(pixel_values=pixels).last_hidden_state
            self.model.model.perceiver_resampler(features)
            rates["images"] = 1 / (time.perf_counter() - start)
            for tokens in PROMPTS:
                start = time.perf_counter()
                self._run(tokens, 0, None)
                rates[f"prefill {tokens}"] = tokens / (time.perf_counter() - start)
            cache = self._run(CONTEXT, 0, None).past_key_values
            start = time.perf_counter()
            for step in range(STEPS):
                cache = self._run(1, CONTEXT + step, cache).past_key_values
            rates["decode"] = STEPS / (time.perf_counter() - start)
        return rates


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idefics", type=Path, default=Path(".build/release/idefics"), help="the program")
    parser.add_argument("--layers", type=int, default=8, help="decoder layers, a multiple of 4; 8 take 13 GB in float32")
    parser.add_argument("--formats", nargs="+", default=["bf16", "int8", "int4"], help="ours: f32, bf16, int8, int4, nf4")
    parser.add_argument("--dtypes", nargs="+", default=["float32"], help="transformers' element types")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="write one JSON object instead of Markdown")
    options = parser.parse_args()
    if not options.idefics.is_file():
        parser.error(f"{options.idefics} is not there (swift build -c release --product idefics)")
    if options.rounds < 1 or options.threads < 1 or options.layers < 4 or options.layers % 4:
        parser.error("--rounds and --threads must be positive, --layers a multiple of 4")
    return options


def markdown(report: dict) -> str:
    """What `--json` writes, as a table."""
    rows = []
    for name, values in report["medians"].items():
        cells = [name]
        for key in NAMES.values():
            value = f"{1 / values[key]:.2f} s" if key == "images" else f"{values[key]:.1f}"
            times = "".join(f", × {ratio[key]:.2f}" for ratio in report["ratios"].get(name, {}).values())
            cells.append(value + times)
        rows.append(cells)
    peers = [name for name in report["medians"] if name not in report["ratios"]]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        f"IDEFICS-9B, {report['layers']} layers, one image, {report['threads']} threads, medians of {report['rounds']} "
        f"rounds, {versions}. An image in seconds, prompts and decoding after {CONTEXT} tokens in tokens/s; × is how many "
        f"times as fast as {', then '.join(peers)}.\n\n" + turns.markdown(["", "image", *list(NAMES.values())[1:]], rows)
    )


def main() -> None:
    options = arguments()
    import torch
    import transformers

    torch.set_num_threads(options.threads)
    limits: list[dict] = []

    def ours(format: str) -> turns.Rates:
        command = ["--config", "idefics-9b", "--layers", str(options.layers), "--format", format]
        if format == "int8":
            command += ["--vision", "int8", "--resampler", "int8"]
        rates, report = turns.idefics_model(options.idefics, options.threads, command, NAMES)
        limits.append(report["limits"])
        return rates

    contenders: dict[str, Callable[[], turns.Rates]] = {
        f"idefics {format}": lambda format=format: ours(format) for format in options.formats
    }
    for dtype in options.dtypes:
        print(f"making the model in transformers, {dtype}", file=sys.stderr)
        model = Transformers(options.layers, dtype)
        model.measure()  # warm
        contenders[f"transformers {dtype}"] = model.measure
    rates = turns.measure(contenders, options.rounds)
    peers = [name for name in rates if name.startswith("transformers")]
    report = {
        "layers": options.layers,
        "threads": options.threads,
        "rounds": options.rounds,
        "versions": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
        "medians": {name: turns.medians(values) for name, values in rates.items()},
        "ratios": {
            name: {peer: turns.ratios(rates[name], rates[peer]) for peer in peers}
            for name in rates
            if name not in peers
        },
        "limits": {key: statistics.median(limit[key] for limit in limits) for key in limits[0]},
        "rates": rates,
    }
    print(json.dumps(report, indent=1) if options.json else markdown(report))


if __name__ == "__main__":
    main()
