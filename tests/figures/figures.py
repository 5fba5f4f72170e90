#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What workloads cost under each reverse map, held against what they cost before.

A case is a file NAME.figures beside this one. Its first line is how rmap is run; the rest is what was counted: looks, steps, locks,
objects, flushes, faults, and so on, all that is the same in every run (no times, no bytes: these are other ones with other locks).
What is the same under all designs stands under "all"; what is zero everywhere is left out.

A mistake that costs only speed or memory, and that no other test would see, shows here. So does an improvement: then
`tests/figures/figures.py --record [NAME...]` writes the files anew, and the difference belongs to the commit.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import families

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DESIGNS = ("scan", "pte_chain", "anon_vma", "anonmm", "anon_vma_chain", "cow_context", "lineage")
WIDTH = 132
PROBES = 20  # of more than these only the sums are told


def run(rmap, case, design):
    """Carries a case out; returns its numbers, flat."""
    words = shlex.split(case)
    command = [rmap, "run", "--json", "--steady", "--design", design, *words]
    with tempfile.NamedTemporaryFile("w", suffix=".rmw") as written:
        if words[-1].startswith("families:"):
            written.write(families.workload(words[-1].removeprefix("families:")))
            written.flush()
            command[-1] = written.name
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return figures(json.loads(done.stdout))


def figures(answer):
    """What is the same in each run."""
    flat = {}

    def add(prefix, value):
        if isinstance(value, dict):
            for key, below in value.items():
                add(prefix + [key], below)
        elif isinstance(value, int) and not isinstance(value, bool) and value:
            if prefix[-1] not in ("ns", "bytes", "peak_bytes") and not prefix[-1].endswith("_bytes"):
                flat[".".join(prefix)] = value

    for key in ("counters", "walks", "tlb_flushes", "objects", "check"):
        add([key], answer.get(key, {}))
    for kind, of in answer["objects"].items():
        if of["objects"] and "peak_bytes" in of:
            flat[f"objects.{kind}.peak"] = of["peak_bytes"] * of["objects"] // of["bytes"]
    for number, probe in enumerate(answer["probes"] if len(answer["probes"]) <= PROBES else ()):
        add([f"probe {number}"], {key: value for key, value in probe.items() if key != "what"})
    for key in ("operations", "processes_at_most", "frames_at_most", "frames", "swap_slots"):
        add(["run", key], answer[key])
    return flat


def table(rmap, case):
    """The lines of a case."""
    of = {design: run(rmap, case, design) for design in DESIGNS}
    keys = list(dict.fromkeys(key for flat in of.values() for key in flat))
    same = [key for key in keys if len({flat.get(key, 0) for flat in of.values()}) == 1]
    lines = section("all", of[DESIGNS[0]], same)
    for design in DESIGNS:
        lines += section(design, of[design], [key for key in keys if key not in same])
    return lines


def section(title, flat, keys):
    """A design's lines: one a group of figures, longer ones folded."""
    groups = {}
    for key in keys:
        if flat.get(key):
            name, _, rest = key.rpartition(".")
            groups.setdefault(name, []).append(f"{rest}={flat[key]}")
    lines = []
    for name, words in groups.items():
        line = f"{title:15} {name:22}"
        for word in words:
            if len(line) + len(word) > WIDTH:
                lines.append(line)
                line = " " * 38
            line += " " + word
        lines.append(line)
    return lines


def recorded(lines, design):
    """The numbers of a design, flat, as table() has written them."""
    flat, section_of, name = {}, "", ""
    for line in lines:
        if line[:15].strip():
            section_of, name = line[:15].strip(), line[16:38].strip()
        for word in line[38:].split() if section_of in ("all", design) else ():
            key, _, value = word.partition("=")
            flat[f"{name}.{key}" if name else key] = int(value)
    return flat


def is_other(path, rmap):
    """Is any design's number another? Says no more than that, and asks no further than the first: for who has many to ask."""
    first, *old = path.read_text().splitlines()
    return any(run(rmap, first.removeprefix("rmap run "), design) != recorded(old, design) for design in reversed(DESIGNS))


def compare(path, rmap):
    """Holds one case against its file; returns whether they are the same."""
    first, *old = path.read_text().splitlines()
    new = table(rmap, first.removeprefix("rmap run "))
    if old == new:
        return True
    for line in old:
        if line not in new:
            print(f"- {line}")
    for line in new:
        if line not in old:
            print(f"+ {line}")
    print(f"{path.name}: {first}: other figures than before (-). If they are meant to be: tests/figures/figures.py --record {path.stem}")
    return False


def main():
    """One case, some, or all."""
    parser = argparse.ArgumentParser(description="Do workloads cost what they cost before?")
    parser.add_argument("names", nargs="*", help="cases (all)")
    parser.add_argument("--hurry", action="store_true", help="only whether all are the same: ends at the first that is not")
    parser.add_argument("--record", action="store_true", help="write the figures of this build into the files")
    arguments = parser.parse_args()
    rmap = os.environ.get("RMAP", str(ROOT / "build" / "rmap"))
    paths = [HERE / f"{name}.figures" for name in arguments.names] or sorted(HERE.glob("*.figures"))
    good = True
    for path in paths:
        if arguments.record:
            first = path.read_text().splitlines()[0]
            lines = table(rmap, first.removeprefix("rmap run "))
            path.write_text("\n".join([first, *lines]) + "\n")
        elif arguments.hurry or "RMAP_HURRY" in os.environ:
            good = good and not is_other(path, rmap)
        else:
            good = compare(path, rmap) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
