#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A source file with a race planted in it: plant.py NAME.plant SOURCE_DIR OUT.c, or plant.py --field FIELD NAME.plant (nothing
for a field that is not there).

A .plant file names a source file and passages of it ("--- was"), each followed by what stands there instead ("--- is"). When the
source has changed and a passage is not there exactly once, this says so and plants nothing; the test then fails, and the plant is to be
brought up to date."""
import sys


def read(name):
    """=> the fields, and the passages with what takes their places."""
    head, *passages = open(name, encoding="utf-8").read().split("--- was\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if line)
    return fields, [tuple(part.rstrip("\n") for part in p.split("\n--- is\n", 1)) for p in passages]


def main(argv):
    """=> the exit code."""
    if len(argv) == 4 and argv[1] == "--field":
        print(read(argv[3])[0].get(argv[2], ""))
        return 0
    name, root, out = argv[1:4]
    fields, passages = read(name)
    source = f"{root}/{fields['file']}"
    text = open(source, encoding="utf-8").read()
    for was, now in passages:
        if text.count(was) != 1:
            print(f"{name}: a passage stands {text.count(was)} times in {fields['file']}; it must stand there once.",
                  file=sys.stderr)
            # The test says that the race is not found; all other variants can still be built.
            break
        text = text.replace(was, now)
    with open(out, "w", encoding="utf-8") as f:
        f.write(f'#line 1 "{source}"\n{text}')
    return 0


sys.exit(main(sys.argv))
