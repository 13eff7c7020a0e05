#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Times a step of training on the shapes of IDEFICS-9B here and in transformers (with peft for adapters), in turns.

Both sides have random weights: the whole vision tower and resampler, four decoder layers with their gated block (gates
open) and the head; one sequence, one image, pixels to loss, forward, back, clipping and AdamW. `frozen` trains the gated
block and the resampler in full, `lora` and `qlora` adapters of rank 16 on queries, keys and values of all parts. Every
measurement is a process of its own, so that its peak memory is known; its first step is not counted. Seconds of a step and
peak memory are printed as medians, with the medians of the ratios of each round.

transformers holds its weights in f32, in qlora those of linear layers in bitsandbytes' nf4, quantized twice; with bf16 it
computes under autocast. We hold frozen weights in bf16, in qlora as it does, scales quantized once.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rounds as turns
from random_idefics import random_idefics

QLORA = ["--format", "nf4", "--head", "keep", "--embeddings", "keep", "--resampler", "nf4", "--vision", "nf4"]
# Ours for each kind of training: a name, and options of `idefics bench train`.
OURS = {
    "frozen": {
        "idefics f32": ["--format", "bf16"],
        "idefics bf16": ["--format", "bf16", "--bf16"],
        "idefics bf16, 8-bit moments": ["--format", "bf16", "--bf16", "--optim", "adamw_8bit"],
        "the same, vision tower int8": ["--format", "bf16", "--vision", "int8", "--bf16", "--optim", "adamw_8bit"],
    },
    "lora": {
        "idefics f32": ["--format", "bf16", "--lora-r", "16"],
        "idefics bf16": ["--format", "bf16", "--bf16", "--lora-r", "16"],
    },
    "qlora": {
        "idefics f32": [*QLORA, "--lora-r", "16"],
        "idefics bf16": [*QLORA, "--bf16", "--lora-r", "16"],
    },
}
THEIRS = {"transformers f32": "float32", "transformers bf16": "bfloat16"}


def quantize(model: object, dtype: object) -> None:
    """Linear layers but for the head become bitsandbytes' nf4, as `load_in_4bit` makes them."""
    import bitsandbytes
    import torch

    for path, module in list(model.named_modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is not torch.nn.Linear:
                continue
            small = bitsandbytes.nn.Linear4bit(
                layer.in_features, layer.out_features, bias=layer.bias is not None, compute_dtype=dtype,
                compress_statistics=True, quant_type="nf4", device="meta",
            )  # fmt: skip
            small.weight = bitsandbytes.nn.Params4bit(
                layer.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4"
            ).to("cpu")
            small.bias = layer.bias
            setattr(module, name, small)
    model.is_loaded_in_4bit = True


def peak_memory(reset: bool = False) -> int:
    """The most bytes this process had since it began, or since it was reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def worker(options: argparse.Namespace) -> None:
    """One measurement of transformers in this process; prints seconds and bytes."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = random_idefics(options.layers)
    if options.kind == "frozen":
        for name, parameter in model.named_parameters():
            isNew = "gated_cross_attn" in name or "perceiver" in name or "additional" in name
            parameter.requires_grad_(isNew)
    else:
        from peft import LoraConfig, get_peft_model

        if options.kind == "qlora":
            model.requires_grad_(False)
            quantize(model, getattr(torch, options.dtype))
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj"]))
    model.train()
    peak_memory(reset=True)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.1)
    ids = torch.arange(options.tokens).mul(37).remainder(32_000).unsqueeze(0)
    # No labels: with added tokens the loss of transformers 5.23 reshapes logits by the wrong vocabulary.
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.rand(1, 1, 3, 224, 224),
        "image_attention_mask": torch.ones(1, options.tokens, 1, dtype=torch.long),
        "use_cache": False,
    }
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.dtype == "bfloat16"):
            logits = model(**inputs).logits
            loss = torch.nn.functional.cross_entropy(logits[0, :-1].float(), ids[0, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    count = sum(parameter.numel() for parameter in trained)
    print(json.dumps({"seconds": seconds[-1], "bytes": peak_memory(), "trained": count}))


def rates(seconds: float, peak: float) -> turns.Rates:
    """As rates, the higher the better."""
    return {"steps a second": 1 / seconds, "steps in a GiB": 2**30 / peak}


def theirs(options: argparse.Namespace, kind: str, tokens: int, dtype: str) -> Callable[[], turns.Rates]:
    command = [sys.executable, __file__, "--worker", "--kind", kind, "--dtype", dtype]
    command += ["--tokens", str(tokens), "--layers", str(options.layers), "--threads", str(options.threads)]

    def run() -> turns.Rates:
        result = turns.run_json(command)
        assert isinstance(result, dict)
        return rates(result["seconds"], result["bytes"])

    return run


def ours(options: argparse.Namespace, tokens: int, extra: list[str]) -> Callable[[], turns.Rates]:
    command = [str(options.idefics), "bench", "train", *extra, "--layers", str(options.layers), "--tokens", str(tokens)]
    command += ["--threads", str(options.threads), "--rounds", "1", "--read-memory", "16", "--json"]

    def run() -> turns.Rates:
        report = turns.run_json(command)
        assert isinstance(report, dict)
        return rates(report["results"][0]["seconds"], report["model"]["peak_memory_bytes"])

    return run


def markdown(report: dict) -> str:
    """What `--json` writes, as a table."""
    rows = []
    for place, values in report["medians"].items():
        for name, value in values.items():
            cells = [place, name, f"{1 / value['steps a second']:.2f} s", f"{1 / value['steps in a GiB']:.2f} GiB"]
            for peer in THEIRS:
                ratio = report["ratios"][place].get(name, {}).get(peer)
                cells.append("" if ratio is None else f"{1 / ratio['steps a second']:.2f}, {1 / ratio['steps in a GiB']:.2f}")
            rows.append(cells)
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    header = ["", "", "step", "peak memory", *(f"of {peer}: time, memory" for peer in THEIRS)]
    return (
        f"A step of training, IDEFICS-9B with {report['layers']} layers, one image, {report['threads']} threads, medians of "
        f"{report['rounds']} rounds, {versions}.\n\n" + turns.markdown(header, rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idefics", type=Path, default=Path(".build/release/idefics"), help="the program")
    parser.add_argument("--layers", type=int, default=4, help="decoder layers, a multiple of 4; 4 take 14 GB in transformers")
    parser.add_argument("--kinds", nargs="+", default=list(OURS), choices=list(OURS))
    parser.add_argument("--tokens", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--peers", nargs="+", default=list(THEIRS), choices=list(THEIRS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="write one JSON object instead of Markdown")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--kind", default="frozen", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", default="float32", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        options.tokens = options.tokens[0]
        return worker(options)
    if not options.idefics.is_file():
        parser.error(f"{options.idefics} is not there (swift build -c release --product idefics)")
    if options.rounds < 1 or options.threads < 1 or options.layers < 4 or options.layers % 4:
        parser.error("--rounds and --threads must be positive, --layers a multiple of 4")

    found = {}
    for kind in options.kinds:
        for tokens in options.tokens:
            contenders = {name: theirs(options, kind, tokens, THEIRS[name]) for name in options.peers}
            contenders |= {name: ours(options, tokens, extra) for name, extra in OURS[kind].items()}
            print(f"{kind}, {tokens} tokens", file=sys.stderr)
            found[f"{kind}, {tokens} tokens"] = turns.measure(contenders, options.rounds)
    packages = subprocess.run([sys.executable, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    versions = {item["name"]: item["version"] for item in json.loads(packages.stdout)}
    report = {
        "layers": options.layers,
        "threads": options.threads,
        "rounds": options.rounds,
        "versions": {name: versions.get(name, "?") for name in ("torch", "transformers", "peft", "bitsandbytes")} | {"python": platform.python_version()},
        "medians": {place: {name: turns.medians(r) for name, r in all.items()} for place, all in found.items()},
        "ratios": {
            place: {name: {peer: turns.ratios(all[name], all[peer]) for peer in options.peers} for name in all if name not in THEIRS}
            for place, all in found.items()
        },
        "rates": found,
    }
    print(json.dumps(report, indent=1) if options.json else markdown(report))


if __name__ == "__main__":
    main()
