#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Makes one Markdown report of what run_all.sh measured: report.py RESULTS_DIR > report.md."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import llama_cpp  # noqa: E402
import transformers_idefics  # noqa: E402
import transformers_training  # noqa: E402
from rounds import markdown  # noqa: E402

Report = dict


def processor() -> str:
    """The processor's name and cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    values = {key.strip(): value.strip() for key, value in values.items()}
    model = values.get("model name", platform.machine())
    family = f"family {values.get('cpu family', '?')} model {values.get('model', '?')}"
    return f"{sum(line.startswith('processor') for line in lines)} cores of {model} ({family})"


def memory() -> str:
    try:
        kibibytes = int(Path("/proc/meminfo").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return "unknown memory"
    return f"{kibibytes / 2**20:.0f} GiB"


def commit() -> str:
    run = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "log", "-1", "--format=%h %s"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.stdout.strip() or "unknown"


def limits(report: Report) -> str:
    limit = report["limits"]
    return (
        f"memory read {limit['memory_read_bytes_per_second'] / 1e9:.1f} GB/s, "
        f"f32 multiply-add {limit['multiply_add_per_second'] / 1e9:.0f} GFLOP/s, "
        f"8-bit integers {limit['integer_per_second'] / 1e9:.0f} Gop/s"
    )


def bench(report: Report) -> str:
    """A table of `idefics bench`."""
    units = {"memory": "GB/s", "compute": "GFLOP/s", "bf16": "GFLOP/s", "integer": "Gop/s"}
    rows = []
    for result in report["results"]:
        seconds, rate = result["seconds"], result["rate"] / 1e9
        tokens = result.get("tokens_per_second")
        rows.append([
            result["name"],
            f"{seconds * 1000:.{3 if seconds < 0.01 else 1}f} ms",
            f"{tokens:.1f}" if tokens else "",
            f"{rate:.{1 if result['bound'] == 'memory' else 0}f} {units[result['bound']]}",
            f"{result['share_of_limit'] * 100:.0f} %",
        ])
    text = [f"Limits of the run: {limits(report)}; {report['rounds']} rounds, {report['threads']} threads."]
    if model := report.get("model"):
        parts = ", ".join(f"{part} {format}" for part, format in sorted(model["parts"].items()))
        peak, trained = model.get("peak_memory_bytes"), model.get("trained_elements")
        text.append(
            f"{model['config']}, {model['layers']} layers, {model['format']}{f' ({parts})' if parts else ''}: "
            f"{model['weight_bytes'] / 1e9:.2f} GB of weights, made in {model['seconds_to_make']:.1f} s"
            + (f"; {trained / 1e6:.1f} M elements trained" if trained else "")
            + (f"; peak memory {peak / 1e9:.2f} GB." if peak else ".")
        )
    return "\n\n".join([*text, markdown(["", "time", "tokens/s", "rate", "of limit"], rows)])


def startup(report: Report) -> str:
    """A table of `idefics bench startup`."""
    def size(key: str) -> str:
        return f"{report[key] / 1e9:.2f} GB" if report.get(key) else "unknown"

    rows = [
        ["ready", f"{report['ready']:.3f} s"],
        ["ready, from the start of the command", f"{report['ready_from_start']:.3f} s"],
        ["first token after a prompt of 16, from the start", f"{report['first_token']:.2f} s"],
        ["the same with an image", f"{report['first_token_with_image']:.2f} s"],
        ["generating", f"{report['tokens_per_second']:.2f} tokens/s"],
        ["peak memory", size("peak_memory_bytes")],
        ["peak memory with an image", size("peak_memory_bytes_with_image")],
    ]
    text = f"{report['weight_bytes'] / 1e9:.2f} GB of weights on disk, warm; {report['rounds']} rounds."
    return f"{text}\n\n{markdown(['', 'median'], rows)}"


class Goals:
    """The goals of issue 4 beside what was measured; what was not measured is skipped."""

    def __init__(self, reports: dict[str, Report]) -> None:
        self.reports = reports
        self.rows: list[list[str]] = []

    def result(self, part: str, name: str) -> Report | None:
        results = self.reports.get(part, {}).get("results", [])
        return next((result for result in results if result["name"] == name), None)

    def row(self, goal: str, target: str, value: float | None, form: str, isReached: bool) -> None:
        if value is not None:
            self.rows.append([goal, target, form.format(value), "yes" if isReached else "no"])

    def share(self, goal: str, part: str, name: str) -> None:
        if result := self.result(part, name):
            share = result["share_of_limit"] * 100
            self.row(goal, "≥ 85 % of the read limit", share, "{:.0f} %", share >= 85)

    def rate(self, goal: str, part: str, name: str, target: float) -> None:
        if result := self.result(part, name):
            rate = result["rate"] / 1e9
            self.row(goal, f"≥ {target:.0f} GFLOP/s", rate, "{:.0f} GFLOP/s", rate >= target)

    def tokens(self, goal: str, part: str, name: str, target: float) -> None:
        if result := self.result(part, name):
            rate = result["tokens_per_second"]
            self.row(goal, f"≥ {target:.0f} tokens/s", rate, "{:.1f} tokens/s", rate >= target)

    def llama(self, goal: str, ours: str, peers: list[str], key: str, target: float) -> None:
        result = self.reports.get("llama-cpp", {}).get("results", {}).get(ours)
        if result:
            # The fastest of the peers is the one that counts.
            ratio = min(result["ratios"][f"llama.cpp {peer}"][key] for peer in peers)
            self.row(goal, f"≥ {target} ×", ratio, "{:.2f} ×", ratio >= target)

    def image(self, goal: str, ours: str, target: float) -> None:
        ratios = self.reports.get("transformers", {}).get("ratios", {}).get(f"idefics {ours}")
        if ratios:
            time = 1 / min(ratio["images"] for ratio in ratios.values())
            self.row(goal, f"≤ {target} × the time", time, "{:.2f} ×", time <= target)

    def table(self) -> str:
        for format in ["int4", "int8", "bf16"]:
            self.share(f"decode, {format}, 8 layers", f"model-{format}", "decode after 128")
        self.share("decode, int4, 32 layers", "model-int4-32", "decode after 128")
        self.llama("decode, int4, against llama.cpp Q4_0", "int4", ["Q4_0"], "decode", 1.5)
        self.llama("decode, int8, against Q8_0", "int8", ["Q8_0"], "decode", 1.3)
        self.llama("decode, bf16, against BF16", "bf16", ["BF16"], "decode", 1.3)
        for tokens in [128, 512]:
            self.rate(f"prefill {tokens}, int4", "model-int4", f"prefill {tokens}", 330)
            self.rate(f"prefill {tokens}, bf16", "model-bf16", f"prefill {tokens}", 160)
            key = f"prefill {tokens}"
            self.llama(f"{key}, int4, against its best 4 bits", "int4", ["Q4_0", "Q4_K_M"], key, 2)
            self.llama(f"{key}, bf16, against BF16", "bf16", ["BF16"], key, 1.4)
        self.image("image, bf16, against transformers", "bf16", 0.8)
        self.image("image, int8, against transformers", "int8", 0.5)
        self.tokens("9B in int4: decode", "model-int4-32", "decode after 128", 6)
        self.tokens("9B in int4: prefill", "model-int4-32", "prefill 128", 20)
        if start := self.reports.get("startup-int4"):
            self.row("9B in int4: ready, warm", "≤ 1 s", start["ready_from_start"], "{:.2f} s",
                     start["ready_from_start"] <= 1)  # fmt: skip
            if peak := start.get("peak_memory_bytes_with_image"):
                self.row("9B in int4: resident", "≤ 6 GiB", peak / 2**30, "{:.2f} GiB", peak <= 6 * 2**30)
        return markdown(["goal", "target", "measured", "reached"], self.rows)


TITLES = {
    "model-int4": "IDEFICS-9B, int4",
    "model-int8": "IDEFICS-9B, int8",
    "model-nf4": "IDEFICS-9B, NF4",
    "model-bf16": "IDEFICS-9B, bf16",
    "model-int4-32": "IDEFICS-9B, int4, all layers",
    "startup-int4": "Start-up, IDEFICS-9B in int4",
    "train-bf16": "Training, 4 layers, new blocks in full, products in bf16",
    "train-qlora": "Training, all layers, QLoRA, products in bf16",
    "llama-cpp": "Beside llama.cpp",
    "transformers": "Beside transformers",
    "training": "Training beside transformers",
    "kernels": "Kernels",
}


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    reports = {name: json.loads(path.read_text()) for name in TITLES if (path := folder / f"{name}.json").is_file()}
    if not reports:
        sys.exit(f"{folder} holds no results of run_all.sh")
    newest = max((folder / f"{name}.json").stat().st_mtime for name in reports)
    date = datetime.date.fromtimestamp(newest).isoformat()
    print(f"# idefics bench, {date}\n\n{processor()}, {memory()}, {platform.system()}; commit {commit()}.")
    print("`Benchmarks/run_all.sh`: medians; \"of limit\" is the median of the ratios to the limit measured right before and")
    print("after in the same round.\n\n## Goals\n")
    print(Goals(reports).table())
    for name, title in TITLES.items():
        if name not in reports:
            continue
        text = {
            "startup-int4": startup,
            "llama-cpp": llama_cpp.markdown,
            "transformers": transformers_idefics.markdown,
            "training": transformers_training.markdown,
        }
        print(f"\n## {title}\n\n{text.get(name, bench)(reports[name])}")


if __name__ == "__main__":
    main()
