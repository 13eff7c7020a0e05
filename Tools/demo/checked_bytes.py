# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a binary file whose every length may be a lie."""
from __future__ import annotations

import mmap
import pathlib
import struct


class FormatError(ValueError):
    """What is wrong with a file, naming the file and the field."""


class MappedFile:
    """A file mapped for reading, with reads that cannot leave it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        if not path.is_file() or path.stat().st_size == 0:
            raise FormatError(f"{path}: is empty or no file")
        with path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self.bytes)

    def fail(self, field: str, problem: str) -> FormatError:
        """The error to raise about `field`."""
        return FormatError(f"{self.path}: {field}: {problem}")

    def slice(self, start: int, count: int, field: str) -> bytes:
        """A copy of `count` bytes from `start`."""
        self.check(start, count, field)
        return self.bytes[start : start + count]

    def check(self, start: int, count: int, field: str) -> None:
        """Raises unless `count` bytes from `start` lie in the file."""
        if start < 0 or count < 0 or start + count > len(self.bytes):
            raise self.fail(field, f"{count} bytes at {start} do not lie in a file of {len(self.bytes)}")


class Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, file: MappedFile) -> None:
        self.file = file
        self.position = 0

    def take(self, count: int, field: str) -> bytes:
        """The next `count` bytes."""
        found = self.file.slice(self.position, count, field)
        self.position += count
        return found

    def number(self, format: str, field: str):
        """The next value of one of struct's formats, e.g. "I" for 32 bits without sign."""
        return struct.unpack("<" + format, self.take(struct.calcsize("<" + format), field))[0]
