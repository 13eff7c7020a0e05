# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of GGUF (versions 2 and 3) that the demo's language model uses: metadata, and F32, Q8_0 and Q4_1 tensors."""
from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Any, Dict, Tuple

import numpy as np

from checked_bytes import Cursor, MappedFile

# Metadata value types -> struct formats; 8 is a string, 9 an array.
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

# Tensor types -> name, weights in a block, record of a block.
BLOCKS = {
    0: ("F32", 1, np.dtype([("w", "<f4")])),
    3: ("Q4_1", 32, np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)])),
    8: ("Q8_0", 32, np.dtype([("d", "<f2"), ("q", "i1", 32)])),
}


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies; `shape` is outermost first (the file has it reversed)."""

    shape: Tuple[int, ...]
    type: int
    start: int


class GGUFFile:
    """Metadata and tensors of one GGUF file."""

    def __init__(self, path: pathlib.Path) -> None:
        self.file = MappedFile(path)
        cursor = Cursor(self.file)
        if cursor.take(4, "magic") != b"GGUF":
            raise self.file.fail("magic", "not a GGUF file")
        version = cursor.number("I", "version")
        if version not in (2, 3):
            raise self.file.fail("version", f"{version} is not 2 or 3")
        tensor_count = cursor.number("Q", "tensor_count")
        metadata_count = cursor.number("Q", "metadata_kv_count")
        self.metadata: Dict[str, Any] = {}
        for index in range(metadata_count):
            key = read_string(cursor, f"metadata key {index}")
            self.metadata[key] = read_value(cursor, cursor.number("I", key), key)
        self.tensors = self.read_tensor_infos(cursor, tensor_count)

    def read_tensor_infos(self, cursor: Cursor, count: int) -> Dict[str, TensorInfo]:
        """The table of tensors, each checked to lie in the file."""
        entries = []
        for index in range(count):
            name = read_string(cursor, f"tensor name {index}")
            dimensions = cursor.number("I", name)
            if not 1 <= dimensions <= 4:
                raise self.file.fail(name, f"{dimensions} dimensions")
            shape = tuple(cursor.number("Q", name) for _ in range(dimensions))[::-1]
            entries.append((name, shape, cursor.number("I", name), cursor.number("Q", name)))
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise self.file.fail("general.alignment", f"{alignment!r} is not a positive number")
        data = -(-cursor.position // alignment) * alignment
        tensors: Dict[str, TensorInfo] = {}
        for name, shape, type, offset in entries:
            if type not in BLOCKS:
                raise self.file.fail(name, f"tensor type {type} is not one of {sorted(BLOCKS)}")
            if name in tensors:
                raise self.file.fail(name, "is there twice")
            if shape[-1] % BLOCKS[type][1]:
                raise self.file.fail(name, f"rows of {shape[-1]} are not whole blocks")
            tensors[name] = TensorInfo(shape, type, data + offset)
            self.file.check(data + offset, block_count(tensors[name]) * BLOCKS[type][2].itemsize, name)
        return tensors

    def value(self, key: str, type: type) -> Any:
        """A required metadata value of the type `type`."""
        found = self.metadata.get(key)
        if not isinstance(found, type):
            raise self.file.fail(key, f"{type.__name__} expected, found {found.__class__.__name__}")
        return found

    def tensor(self, name: str, shape: Tuple[int, ...]) -> np.ndarray:
        """The tensor `name` as f32, which must have the shape `shape`.

        A Q4_1 block holds 32 weights q·d + m, the low nibbles first; a Q8_0 block 32 weights q·d.
        The product is exact in f32, so a weight is rounded once.
        """
        info = self.tensors.get(name)
        if info is None:
            raise self.file.fail(name, "missing tensor")
        if info.shape != shape:
            raise self.file.fail(name, f"shape {info.shape}, expected {shape}")
        kind, _, record = BLOCKS[info.type]
        blocks = np.frombuffer(self.file.bytes, record, block_count(info), info.start)
        if kind == "F32":
            weights = blocks["w"]
        elif kind == "Q8_0":
            weights = blocks["q"] * blocks["d"].astype(np.float32)[:, None]
        else:
            quants = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1)
            scales, minima = (blocks[field].astype(np.float32)[:, None] for field in ("d", "m"))
            weights = quants * scales + minima
        if not np.isfinite(weights).all():
            raise self.file.fail(name, "has weights that are not finite")
        return np.ascontiguousarray(weights, np.float32).reshape(shape)


def block_count(info: TensorInfo) -> int:
    """How many blocks hold a tensor (Python's integers do not overflow)."""
    count = 1
    for size in info.shape:
        count *= size
    return count // BLOCKS[info.type][1]


def read_string(cursor: Cursor, field: str) -> str:
    """A length and that many bytes of UTF-8."""
    found = cursor.take(cursor.number("Q", field), field)
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError as error:
        raise cursor.file.fail(field, f"is not UTF-8 ({error.reason})") from None


def read_value(cursor: Cursor, type: int, field: str) -> Any:
    """One metadata value; arrays hold numbers or strings."""
    if type in NUMBERS:
        return cursor.number(NUMBERS[type], field)
    if type == STRING:
        return read_string(cursor, field)
    if type != ARRAY:
        raise cursor.file.fail(field, f"unknown value type {type}")
    element = cursor.number("I", field)
    if element == ARRAY:
        raise cursor.file.fail(field, "an array of arrays")
    # Every element takes a byte at least, so a count that lies is found before the list grows beyond the file.
    return [read_value(cursor, element, field) for _ in range(cursor.number("Q", field))]
