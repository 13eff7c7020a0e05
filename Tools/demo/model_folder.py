# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Writing a Hugging Face model directory: safetensors in f32 and JSON files."""
from __future__ import annotations

import json
import pathlib
import shutil
import struct
import sys
from typing import Any, Callable, Dict, Tuple

import numpy as np

# What is to be written: name -> shape and a function that makes the tensor, called only when its turn comes,
# so that one tensor at a time is in memory.
TensorPlan = Dict[str, Tuple[Tuple[int, ...], Callable[[], np.ndarray]]]


class ModelFolder:
    """Makes a directory under another name and renames it at the end: it is there complete or not at all."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")

    def __enter__(self) -> "ModelFolder":
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self

    def __exit__(self, error: Any, *_: Any) -> None:
        if error is None:
            shutil.rmtree(self.path, ignore_errors=True)
            self.partial.rename(self.path)
        else:
            shutil.rmtree(self.partial, ignore_errors=True)

    def write_json(self, name: str, value: Any) -> None:
        """Writes one JSON file."""
        text = json.dumps(value, ensure_ascii=False, indent=2)
        (self.partial / name).write_text(text + "\n", encoding="utf-8")

    def write_tensors(self, plan: TensorPlan) -> None:
        """Writes model.safetensors: a length, a JSON header that says where each tensor lies, the tensors."""
        header: Dict[str, Any] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name, (shape, _) in plan.items():
            start, end = end, end + 4 * int(np.prod(shape, dtype=np.int64))
            header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with (self.partial / "model.safetensors").open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for index, (name, (shape, make)) in enumerate(plan.items()):
                tensor = make()
                if tensor.shape != tuple(shape):
                    raise ValueError(f"{name}: shape {tensor.shape}, planned {shape}")
                file.write(np.ascontiguousarray(tensor, "<f4").data)
                if sys.stdout.isatty():
                    print(f"\r  {index + 1} of {len(plan)} tensors", end="", flush=True)
        print(f"\r  {len(plan)} tensors, {end / 1e6:.0f} MB")
