#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the live kernel has confirmed of workloads/semantics and workloads/selftests.

workloads/verified.txt has one line a file: its digest, what `rmap verify` came to, its path. The
expectations in the files are thereby results recorded from the live kernel, and running the files on
the engine alone, as `make check` does without root, holds the engine against them.

  --record FILE...  ask the live kernel (root; rmap from $RMAP or build/rmap) about these files, or
                    about all that are not recorded as they stand, and write the record
  --document        write docs/selftests.md, the table of cases
  --check           no root needed: every file is in the record as it stands, the table is up to
                    date, and each row of docs/semantics-rows.txt that can be seen from outside has
                    a confirmed workload in workloads/semantics
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / "workloads" / "verified.txt"
TABLE = ROOT / "docs" / "selftests.md"
ROWS = ROOT / "docs" / "semantics-rows.txt"

FAMILIES = {
    "merge": "New mappings, protections and advice beside neighbours: which VMAs become one.",
    "mremap": "Growing, shrinking and moving, one VMA or several, and what merges where it goes.",
    "dontunmap": "`MREMAP_DONTUNMAP`: the pages go, the old mapping stays.",
    "populate": "`MAP_POPULATE` and the populating advice.",
    "noreplace": "`MAP_FIXED_NOREPLACE`.",
    "mlock": "`mlock`, `mlock2`, `mlockall`, their limit, and what they split.",
    "cow": "Who gets a copy of what: after fork, with swap, with pages held by pipes and devices.",
    "brk": "The heap.",
}


def workloads():
    """All files that the record is about, in order."""
    return sorted(
        path
        for place in ("semantics", "selftests")
        for path in (ROOT / "workloads" / place).rglob("*.rmw")
    )


def digest(path):
    """Of the file as it stands."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def name_of(path):
    """Its path below workloads/, without the ending."""
    return str(path.relative_to(ROOT / "workloads"))[: -len(".rmw")]


def read_record():
    """name -> (digest, what came of it)."""
    record = {}
    if RECORD.exists():
        for line in RECORD.read_text().splitlines():
            if line and not line.startswith("#"):
                mark, name, result = line.split(None, 2)
                record[name] = (mark, result)
    return record


SWAPS = re.compile(r"^config\b.*\bswap=[1-9]", re.MULTILINE)
# What depends on how much memory there is, which is not the same on both sides.
WITHOUT_SWAP = {"semantics/swapoff_no_room"}


def wants_swap(path):
    """Is the workload about swap, so that the live side has to have some?"""
    return bool(SWAPS.search(path.read_text())) and name_of(path) not in WITHOUT_SWAP


def ask(files, *options):
    """What rmap verify says about these files: name -> result, and whether anything was wrong."""
    if not files:
        return {}, False
    rmap = os.environ.get("RMAP", str(ROOT / "build" / "rmap"))
    done = subprocess.run(
        [rmap, "verify", "--json", *options, *map(str, files)],
        capture_output=True, text=True, check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"{rmap} verify: {done.stderr or done.stdout}")
    results, wrong = {}, []
    for run in answer["runs"]:
        name = name_of(pathlib.Path(run["workload"]).resolve())
        if run["result"] == "agreed":
            swap = ", swap" if options else ""
            results[name] = f"agreed with {answer['kernel']}, {run['operations']} operations{swap}"
        elif run["result"] == "skipped":
            results[name] = "not asked: " + run["reason"].split(".rmw:")[-1].lstrip("0123456789: ")
        else:
            wrong.append(f"{name}: {run.get('what', run['result'])}")
    for line in wrong:
        print(line, file=sys.stderr)
    return results, bool(wrong)


def record(files):
    """Ask about files and write the record anew; files that are gone leave it."""
    known = read_record()
    present = {name_of(path): path for path in workloads()}
    for path in files:
        if path not in present.values():
            sys.exit(f"{path} is in neither workloads/semantics nor workloads/selftests")
    stale = [p for n, p in present.items() if known.get(n, ("", ""))[0] != digest(p)]
    chosen = files or stale
    wrong = False
    for options in ((), ("--swap",)):
        asked = [path for path in chosen if wants_swap(path) == bool(options)]
        results, bad = ask(asked, *options)
        wrong |= bad
        for name, result in results.items():
            known[name] = (digest(present[name]), result)
    lines = [
        "# What the live kernel said about each workload: written by scripts/selftests.py --record.",
        "# The first word is the digest of the file that was asked about.",
    ]
    lines += [f"{known[n][0]} {n} {known[n][1]}" for n in sorted(known) if n in present]
    RECORD.write_text("\n".join(lines) + "\n")
    agreed = sum(result.startswith("agreed") for _, result in known.values())
    print(f"{agreed} of {len(present)} workloads agreed upon")
    return 1 if wrong else 0


def about(path):
    """The sentence that a workload opens with."""
    words = []
    for line in path.read_text().splitlines():
        text = line.lstrip("#").strip()
        if not line.startswith("#") or not text or text.startswith("covers:"):
            break
        words.append(text)
    return " ".join(words)


def document():
    """The text of docs/selftests.md."""
    known = read_record()
    cases = [path for path in workloads() if path.parts[-3] == "selftests"]
    marks = {path: known.get(name_of(path), ("", "not asked: not recorded"))[1] for path in cases}
    proved = sum(mark.startswith("agreed") for mark in marks.values())
    kernels = sorted({m.split(",")[0][len("agreed with "):] for m in marks.values() if m[0] == "a"})
    out = [
        "# Linux's own tests, as workloads",
        "",
        "<!-- Written by scripts/selftests.py --document. -->",
        "",
        "What the kernel's self-tests for merging, `mremap`, dontunmap, populate, fixed-noreplace, "
        "`mlock` and",
        "copy-on-write make sure of, told anew as workload files, one case a file, in "
        "`workloads/selftests`. Each opens with",
        "the sentence that stands here, and says what must come of every call: error, layout, "
        "contents, who shares a frame.",
        "",
        "`make check` runs every one on the engine, under every design. With root, `rmap verify` "
        "carries them out on the",
        "kernel that runs as well and holds both against each other after each call "
        "([the referee](referee.md)); what it said",
        "is recorded in `workloads/verified.txt` (`scripts/selftests.py --record`).",
        "",
        f"**{len(cases)} cases, {proved} of them confirmed** by {' and '.join(kernels) or 'no kernel'}. "
        "The others say why they could not be asked.",
        "",
    ]
    families = {}
    for path in cases:
        families.setdefault(path.parent.name, []).append(path)
    order = [f for f in FAMILIES if f in families] + [f for f in families if f not in FAMILIES]
    for family in order:
        out += [f"## {family}", "", FAMILIES.get(family, ""), "", "| case | what it shows | kernel |"]
        out += ["|---|---|---|"]
        for path in families[family]:
            agreed = marks[path].startswith("agreed")
            mark = "agrees" if agreed else marks[path].replace("not asked: ", "not asked: ")
            text = about(path).replace("|", "\\|")
            link = f"../workloads/selftests/{family}/{path.name}"
            out.append(f"| [{path.stem}]({link}) | {text} | {mark} |")
        out.append("")
    return "\n".join(out)


def visible_rows():
    """Ids of the rows that can be seen from outside: those with a '*' behind the id."""
    rows = []
    for line in ROWS.read_text().splitlines():
        row, _, _ = line.partition("\t")
        if row.endswith("*"):
            rows.append(row[:-1])
    return rows


def covered(path):
    """Ids of the rows that a workload says it covers."""
    ids, more = [], False
    for line in path.read_text().splitlines():
        text = line.lstrip("#").strip()
        if text.startswith("covers:"):
            text, more = text[len("covers:"):], True
        elif not more:
            continue
        ids += text.replace(",", " ").split()
        more = text.rstrip().endswith(",")
    return ids


def check():
    """Sentences about what is not as it should be."""
    known, wrong = read_record(), []
    seen = set()
    for path in workloads():
        mark, result = known.get(name_of(path), ("", ""))
        if mark != digest(path):
            wrong.append(
                f"workloads/{name_of(path)}.rmw is not recorded as it stands: "
                "run scripts/selftests.py --record as root, then --document"
            )
        if result.startswith("agreed") and path.parts[-2] == "semantics":
            seen.update(covered(path))
    for row in visible_rows():
        if row not in seen:
            wrong.append(f"row {row} can be seen from outside and has no confirmed workload")
    if not TABLE.exists() or TABLE.read_text() != document():
        wrong.append("docs/selftests.md is not up to date: run scripts/selftests.py --document")
    return wrong


def main():
    """Does what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--document", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    code = 0

    if not (options.record or options.document or options.check):
        parser.error("one of --record, --document and --check")
    if options.record:
        code = record([path.resolve() for path in options.files])
    if options.document:
        TABLE.write_text(document())
    if options.check:
        wrong = check()
        print("\n".join(wrong) if wrong else "every workload is recorded as it stands")
        code = 1 if wrong else code
    return code


if __name__ == "__main__":
    sys.exit(main())
