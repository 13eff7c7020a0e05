#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Fails when the dependencies that Package.swift declares for a target are not those its sources import.

A dependency nobody imports is a door to nowhere; an import that is not declared works only as long as another target
happens to build first. C targets are read by their #include and module maps, so only Swift sources are checked.
"""
import json
import pathlib
import re
import subprocess
import sys

IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public |package |internal |fileprivate |private )?import\s+"
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)",
    re.MULTILINE,
)
# Executables whose tests run them instead of importing them, and test targets that only need the program built.
BUILT_NOT_IMPORTED = {"IdeficsCLI", "CIdeficsConformance"}

root = pathlib.Path(__file__).resolve().parent.parent
package = json.loads(subprocess.check_output(["swift", "package", "--ignore-lock", "dump-package"], cwd=root))
names = {target["name"] for target in package["targets"]}
# Modules of other packages by the product that has them.
products = {"Yams": "Yams", "ArgumentParser": "ArgumentParser"}


def dependencies(target):
    for entry in target["dependencies"]:
        kind, value = next(iter(entry.items()))
        yield products.get(value[0], value[0]) if kind == "product" else value[0]


def folder(target):
    if target.get("path"):
        return root / target["path"]
    return root / ("Tests" if target["type"] == "test" else "Sources") / target["name"]


problems = []
for target in package["targets"]:
    files = sorted(folder(target).rglob("*.swift")) if target["type"] != "system" else []
    if not files:
        continue
    known = names | set(products.values())
    imported = {name for file in files for name in IMPORT.findall(file.read_text()) if name in known}
    declared = set(dependencies(target))
    for name in sorted(imported - declared):
        problems.append(f"{target['name']} imports {name}, which Package.swift does not declare for it")
    for name in sorted(declared - imported - BUILT_NOT_IMPORTED):
        problems.append(f"{target['name']} declares {name} and never imports it")

for problem in problems:
    print(f"Package.swift: {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
