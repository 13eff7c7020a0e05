#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Times greedy decoding of the same language model here and in transformers, in turns.

Both sides decode the same number of tokens after a prompt of the same length; the prompt is not timed. Medians and ratios
are printed, and with --json everything as one object.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rounds as turns

CONTEXT = 128  # as DecodeBenchmark.context and .steps of `idefics bench decode`
STEPS = 32


def idefics_rate(program: Path, model: str, threads: int) -> turns.Rates:
    """Tokens a second of `idefics bench decode`, one round with the model's parameters warm."""
    command = [str(program), "bench", "decode", "--model", model, "--rounds", "1", "--threads", str(threads), "--json"]
    decode = turns.run_json(command)["decode"]
    if (decode["context"], decode["steps"]) != (CONTEXT, STEPS):
        sys.exit(f"{program} decodes {decode['steps']} tokens after {decode['context']}, not {STEPS} after {CONTEXT}")
    return {"decode": decode["tokens_per_second"]}


def transformers_rate(folder: Path, dtype: str) -> Callable[[], turns.Rates]:
    """A function that times transformers' LlamaForCausalLM in `dtype`; the model is loaded once."""
    import torch
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    prompt = torch.arange(CONTEXT).mul(37).remainder(model.config.vocab_size).unsqueeze(0)

    def decode() -> turns.Rates:
        with torch.inference_mode():
            output = model(prompt, use_cache=True)
            token = output.logits[:, -1:].argmax(-1)
            start = time.perf_counter()
            for _ in range(STEPS):
                output = model(token, past_key_values=output.past_key_values, use_cache=True)
                token = output.logits[:, -1:].argmax(-1)
            return {"decode": STEPS / (time.perf_counter() - start)}

    decode()  # warm
    return decode


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language_model", type=Path, help="Hugging Face directory of the LlamaForCausalLM")
    parser.add_argument("--idefics", type=Path, default=Path(".build/release/idefics"), help="the program")
    parser.add_argument("--idefics-model", default="demo", help="the IDEFICS made from the same language model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], help="transformers' element types")
    parser.add_argument("--json", action="store_true", help="write one JSON object to standard output")
    options = parser.parse_args()
    if not (options.language_model / "config.json").is_file():
        parser.error(f"{options.language_model} has no config.json")
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads must be positive")
    return options


def main() -> None:
    options = arguments()
    import torch
    import transformers

    torch.set_num_threads(options.threads)
    ours = "idefics"
    contenders: dict[str, Callable[[], turns.Rates]] = {
        ours: lambda: idefics_rate(options.idefics, options.idefics_model, options.threads)
    }
    for dtype in options.dtypes:
        contenders[f"transformers {dtype}"] = transformers_rate(options.language_model, dtype)
    rates = turns.measure(contenders, options.rounds)
    medians = {name: turns.medians(values)["decode"] for name, values in rates.items()}
    ratios = {name: turns.ratios(rates[ours], values)["decode"] for name, values in rates.items() if name != ours}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "python": platform.python_version()}
    if options.json:
        print(json.dumps({"versions": versions, "rates": rates, "medians": medians, "ratios": ratios}, indent=1))
        return
    print(f"{STEPS} tokens after {CONTEXT}, {options.threads} threads, medians of {options.rounds} rounds; {versions}")
    for name, rate in medians.items():
        ratio = f"  idefics is {ratios[name]:.2f} times as fast" if name in ratios else ""
        print(f"{name:24}{rate:8.1f} tokens/s{ratio}")


if __name__ == "__main__":
    main()
