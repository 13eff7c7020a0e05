#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Times the same Llama layers here and in llama.cpp, in turns: prompts, and generating after 128 tokens.

Both sides have random weights of the shape of Llama-7B, a number of layers and the head, without gated blocks; ours is
`idefics bench model --config llama-7b`, theirs llama-bench of the pinned version that build_llama_cpp.sh builds. Like is
compared with like: int4 with Q4_0 and Q4_K_M, int8 with Q8_0, bf16 with BF16. Both heads have the type that each program
gives them when it quantizes a model: int8 (8.25 bits) here beside Q6_K (6.56 bits) with 4 bits, otherwise the same as the
layers. llama.cpp's cache is f16, as it is by default. Medians, and the median of the ratios of each round, are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import random_gguf
import rounds as turns

VERSION = "b11434"  # of packages.txt
CONTEXT, PROMPTS, STEPS = 128, [128, 512], 16
# Names in `idefics bench model`, and here.
NAMES = {"prefill 128": "prefill 128", "prefill 512": "prefill 512", f"decode after {CONTEXT}": "decode"}
PEERS = {"int4": ["Q4_0", "Q4_K_M"], "int8": ["Q8_0"], "bf16": ["BF16"]}
# Parameters of a layer's matrices.
LAYER = 4 * random_gguf.HIDDEN**2 + 3 * random_gguf.HIDDEN * random_gguf.INTERMEDIATE


def gguf(folder: Path, kind: str, layers: int) -> Path:
    """The file of random weights, made if it is not there."""
    path = folder / f"llama-7b-{layers}-{kind}.gguf"
    if not path.exists():
        print(f"making {path}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        random_gguf.write(path, kind, layers)
    return path


def llama_bench(program: Path, model: Path, threads: int) -> turns.Rates:
    """One round of llama-bench."""

    def run(arguments: list[str]) -> list[dict]:
        command = [str(program), "-m", str(model), "-t", str(threads), "-r", "1", "-o", "json", *arguments]
        result = turns.run_json(command)
        assert isinstance(result, list)
        return result

    prompts = run(["-p", ",".join(map(str, PROMPTS)), "-n", "0"])
    generated = run(["-p", "0", "-n", str(STEPS), "-d", str(CONTEXT)])
    rates = {f"prefill {result['n_prompt']}": result["avg_ts"] for result in prompts}
    return rates | {"decode": generated[-1]["avg_ts"]}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = turns.cache_folder() / "peers"
    parser.add_argument("--llama-bench", type=Path, default=default / "llama.cpp-build/bin/llama-bench")
    parser.add_argument("--models", type=Path, default=default / "gguf", help="where random GGUF files are kept")
    parser.add_argument("--idefics", type=Path, default=Path(".build/release/idefics"), help="the program")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--formats", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="write one JSON object instead of Markdown")
    options = parser.parse_args()
    for program in (options.llama_bench, options.idefics):
        if not program.is_file():
            parser.error(f"{program} is not there (see README.md)")
    if options.rounds < 1 or options.threads < 1 or not 1 <= options.layers <= 32:
        parser.error("--rounds and --threads must be positive, --layers 1 to 32")
    return options


def compare(options: argparse.Namespace, ours: str) -> dict:
    """All rounds of one of our formats and its peers."""
    limits: list[dict] = []

    def idefics() -> turns.Rates:
        arguments = ["--config", "llama-7b", "--layers", str(options.layers), "--format", ours]
        rates, report = turns.idefics_model(options.idefics, options.threads, arguments, NAMES)
        limits.append(report["limits"])
        return rates

    contenders: dict[str, Callable[[], turns.Rates]] = {f"idefics {ours}": idefics}
    sizes = {}
    for kind in PEERS[ours]:
        path = gguf(options.models, kind, options.layers)
        sizes[kind] = path.stat().st_size
        contenders[f"llama.cpp {kind}"] = lambda path=path: llama_bench(options.llama_bench, path, options.threads)
    rates = turns.measure(contenders, options.rounds)
    names = list(rates)
    return {
        "medians": {name: turns.medians(rates[name]) for name in names},
        "ratios": {name: turns.ratios(rates[names[0]], rates[name]) for name in names[1:]},
        "limits": {key: statistics.median(limit[key] for limit in limits) for key in limits[0]},
        "rates": rates,
        "file_bytes": sizes,
    }


def markdown(report: dict) -> str:
    """What `--json` writes, as a table."""
    operations = 2 * LAYER * report["layers"]
    rows = []
    for result in report["results"].values():
        for name, values in result["medians"].items():
            ratio = result["ratios"].get(name, {})
            cells = [name]
            for key in NAMES.values():
                value = values[key]
                work = f" ({value * operations / 1e9:.0f})" if key.startswith("prefill") else ""
                times = f", × {ratio[key]:.2f}" if key in ratio else ""
                cells.append(f"{value:.1f}{work}{times}")
            rows.append(cells)
    return (
        f"Llama-7B, {report['layers']} layers and the head, {report['threads']} threads, medians of {report['rounds']} "
        f"rounds, llama.cpp {report['version']}. Prompts and decoding after {CONTEXT} tokens in tokens/s (GFLOP/s of the "
        "layers' products); × is how many times as fast idefics is as that peer.\n\n"
        + turns.markdown(["", *NAMES.values()], rows)
    )


def main() -> None:
    options = arguments()
    report = {
        "layers": options.layers,
        "threads": options.threads,
        "rounds": options.rounds,
        "version": VERSION,
        "results": {ours: compare(options, ours) for ours in options.formats},
    }
    print(json.dumps(report, indent=1) if options.json else markdown(report))


if __name__ == "__main__":
    main()
