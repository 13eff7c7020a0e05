# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""What the comparisons with other programs share: turns, `idefics bench` as a contender, and ratios.

A machine whose clock or whose neighbours drift gives honest ratios only when all sides see the same minutes, so each round
runs every contender once, in an order that is reversed from round to round (A B C, C B A, ...).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# What a contender measured in one round, by name: the higher the better (tokens, images or operations a second).
Rates = dict[str, float]


def cache_folder() -> Path:
    """The folder where idefics keeps what it made or fetched for itself."""
    if folder := os.environ.get("IDEFICS_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "idefics"


def run_json(command: list[str]) -> object:
    """What a program writes to standard output, as JSON; ends this one with its message when it fails."""
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
    return json.loads(run.stdout)


def idefics_model(program: Path, threads: int, arguments: list[str], names: dict[str, str]) -> tuple[Rates, dict]:
    """One round of `idefics bench model`: for each of `names` (its measurement: ours) tokens or runs a second.

    The second result is the whole report, with the limits of the same minute.
    """
    command = [str(program), "bench", "model", *arguments, "--rounds", "1", "--threads", str(threads), "--json"]
    for name in names:
        command += ["--only", name]
    report = run_json(command)
    assert isinstance(report, dict)
    found = {result["name"]: result for result in report["results"]}
    missing = [name for name in names if name not in found]
    if missing:
        sys.exit(f"{' '.join(command)} has no {missing[0]!r}; there are {', '.join(found)}")
    rates = {
        ours: found[name].get("tokens_per_second") or 1 / found[name]["seconds"] for name, ours in names.items()
    }
    return rates, report


def measure(contenders: dict[str, Callable[[], Rates]], rounds: int) -> dict[str, list[Rates]]:
    """What each contender measured in each round."""
    rates: dict[str, list[Rates]] = {name: [] for name in contenders}
    start = time.monotonic()
    for number in range(rounds):
        names = list(contenders) if number % 2 == 0 else list(reversed(contenders))
        for name in names:
            rates[name].append(contenders[name]())
            values = "  ".join(f"{key} {value:.2f}" for key, value in rates[name][-1].items())
            print(f"round {number + 1} of {rounds}, {time.monotonic() - start:.0f} s: {name}: {values}", file=sys.stderr)
    return rates


def medians(rates: list[Rates]) -> Rates:
    """The median of each measurement over the rounds."""
    return {name: statistics.median(rate[name] for rate in rates if name in rate) for name in rates[0]}


def ratios(ours: list[Rates], theirs: list[Rates]) -> Rates:
    """How many times as fast ours is: the ratio of each round first, then the median, so that drift cancels out."""
    common = [name for name in ours[0] if name in theirs[0]]
    return {name: statistics.median(a[name] / b[name] for a, b in zip(ours, theirs)) for name in common}


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table for a dated report."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
