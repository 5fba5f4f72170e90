#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what the documents quote against the files that it is quoted from.

A fenced block behind a line `<!-- quote: FILE -->` must stand in FILE: each run of lines up to a
line `...` (something is left out there) consecutively, the runs in this order.
Exit code 1 and a sentence for each block that does not.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent


def runs(block):
    run = []
    for line in block:
        if line.strip() == "...":
            yield run
            run = []
        else:
            run.append(line)
    yield run


def find(run, lines, start):
    for at in range(start, len(lines) - len(run) + 1):
        if lines[at : at + len(run)] == run:
            return at + len(run)
    return -1


def check(document, source, block):
    lines = (root / source).read_text().splitlines()
    at = 0
    for run in runs(block):
        while run and not run[0].strip():
            run = run[1:]
        while run and not run[-1].strip():
            run = run[:-1]
        if not run:
            continue
        at = find(run, lines, at)
        if at < 0:
            print(f"{document}: this does not stand in {source} (any more, or in this order):")
            print("    " + run[0])
            return False
    return True


def main():
    good = True
    quotes = 0
    for path in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        text = path.read_text()
        for match in re.finditer(r"<!-- quote: (\S+) -->\n+```\w*\n(.*?)\n```", text, re.S):
            quotes += 1
            good &= check(path.relative_to(root), match[1], match[2].splitlines())
    print(f"{quotes} quotes looked at")
    return 0 if good else 1


sys.exit(main())
