#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Fails when documentation names a file, or a heading of one, that is not there.

Checked are the relative links of all Markdown files, the paths in backticks that begin in the repository's root
(`Sources/Idefics/…`), and the documents that sources and scripts send their readers to (docs/training.md).
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["Sources", "Tests", "Tools", "Snippets", "Benchmarks", "docs"]
names = [str(path.relative_to(root)) for folder in FOLDERS for path in sorted((root / folder).rglob("*"))]
names += [path.name for path in root.glob("*.*")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:Sources|Tests|Tools|Snippets|Benchmarks|docs)/[\w./+-]+)`")
DOCUMENT = re.compile(r"\bdocs/[\w-]+\.(?:md|yaml)\b")
problems = []


def headings(path):
    """The anchors GitHub makes of the headings of a Markdown file."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def check_link(file, line, target):
    path, _, anchor = target.partition("#")
    found = (file.parent / path) if path else file
    if not found.exists():
        problems.append(f"{file.relative_to(root)}:{line}: {target}: no such file")
    elif anchor and anchor not in headings(found):
        problems.append(f"{file.relative_to(root)}:{line}: {target}: no such heading")


for name in names:
    file = root / name
    if not file.is_file() or not re.search(r"\.(md|swift|sh|py|c|h|yaml)$", name):
        continue
    is_code = False
    for number, text in enumerate(file.read_text(errors="replace").splitlines(), 1):
        if name.endswith(".md"):
            if text.startswith("```"):
                is_code = not is_code
            if is_code:
                continue
            for target in LINK.findall(re.sub(r"`[^`]*`", "", text)):
                if not re.match(r"\w+:", target):
                    check_link(file, number, target)
            # What a changelog names may be gone since.
            paths = PATH.findall(text) if name != "CHANGELOG.md" else []
        else:
            paths = DOCUMENT.findall(text)
        for path in paths:
            if not (root / path).exists():
                problems.append(f"{name}:{number}: {path}: no such file")

for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(1 if problems else 0)
