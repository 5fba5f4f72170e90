#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A source file with a race planted in it: plant.py NAME.plant SOURCE_DIR OUT.c, or plant.py --field FIELD NAME.plant.

A .plant file names a source file and a passage of it ("--- was"), and what stands there instead ("--- is"). When the source
changes and the passage is not there exactly once, this says so and fails: the plant is to be brought up to date."""
import sys


def read(name):
    head, rest = open(name, encoding="utf-8").read().split("--- was\n", 1)
    was, now = rest.split("\n--- is\n", 1)
    fields = dict(line.split(": ", 1) for line in head.splitlines() if line)
    return fields, was, now.rstrip("\n")


def main(argv):
    if len(argv) == 4 and argv[1] == "--field":
        print(read(argv[3])[0][argv[2]])
        return 0
    name, root, out = argv[1:4]
    fields, was, now = read(name)
    source = f"{root}/{fields['file']}"
    text = open(source, encoding="utf-8").read()
    if text.count(was) != 1:
        print(f"{name}: the passage stands {text.count(was)} times in {fields['file']}; it must stand there once.",
              file=sys.stderr)
        return 1
    with open(out, "w", encoding="utf-8") as f:
        f.write(f'#line 1 "{source}"\n')
        f.write(text.replace(was, now))
    return 0


sys.exit(main(sys.argv))
