#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Out of memory at every allocation: runs it, names the sites, counts.

rmap-oom does it to workloads, on every design; each program of unit tests does it to itself (tests/oom/inject.h). Both leave
return addresses, which are made lines of src/ here. A site is a line of src/ that asks for memory. All of them must have failed,
but for those that tests/oom/unreached.txt gives a reason for, and whatever a run has reached must have failed in that run.

And rmap-oom --io: transfers to and from swap and files that fail.

Without --whole: each path of calls once on each design over all workloads, and unit tests with the default design. With it: every
allocation of every operation of every workload and of generated ones, and unit tests with every design. Exit code: 0 all is well.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DESIGNS = ["anon_vma_chain", "scan", "pte_chain", "anon_vma", "anonmm", "cow_context", "lineage"]
# Small enough for every operation to be tried.
GENERATORS = [
    "fork-cow:children=3,pages=6", "fork-chain", "prefork", "zygote", "mremap-churn", "split-merge",
    "survivors", "unmapped", "fork-vmas", "swap-shared", "single-pages", "fork-move", "displaced",
    "file-offsets", "neighbours", "moves:every=401",
]
# What asks on behalf of others: their callers are the sites.
GO_BETWEEN = {("src/mm/system.c", "mm_alloc"), ("src/rmap/count.h", "rmap_object_alloc"),
              ("src/mm/frames.c", "page_alloc"), ("src/mm/check.c", "check_alloc"),
              ("src/mm/table.c", "table_alloc"), ("src/mm/vma.c", "vma_alloc"),
              ("src/mm/vma.c", "vma_dup")}
ASKS = re.compile(r"\b(rmap_object_alloc|mm_alloc|page_alloc|page_alloc_on|check_alloc|table_alloc|vma_alloc|vma_dup|"
                  r"port->alloc|os->alloc|os\.alloc)\(")
HEAD = re.compile(r"^[a-z].*\b(\w+)\([^;]*$")


def source_sites():
    """=> {(file, line)}: every line of src/ that asks for memory."""
    sites = set()
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        name, function = str(path.relative_to(ROOT)), ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line[:1].isspace():
                head = HEAD.match(line)
                function = head.group(1) if head else function
                continue
            if ASKS.search(line) and (name, function) not in GO_BETWEEN and "*" not in line[:3]:
                sites.add((name, number))
    return sites


class Lines:
    """From addresses of one program to lines of src/."""

    def __init__(self, program, addresses):
        self.frames = {}
        # A return address stands behind its call.
        text = "".join(f"{a - 1:x}\n" for a in addresses)
        out = subprocess.run(["addr2line", "-aife", str(program)], input=text, check=True,
                             capture_output=True, text=True).stdout.splitlines()
        at = None
        i = 0
        while i < len(out):
            if out[i].startswith("0x"):
                at = int(out[i], 16) + 1
                self.frames[at] = []
                i += 1
                continue
            where = re.search(r"/(src/\w+/\w+\.[ch]):(\d+)", out[i + 1])
            if where:
                self.frames[at].append((where.group(1), out[i], int(where.group(2))))
            i += 2

    def site(self, path):
        """=> (file, line) of the first function on the path that asks for itself, or None."""
        for address in path:
            for name, function, line in self.frames.get(address, []):
                function = re.sub(r"\..*", "", function)
                if (name, function) not in GO_BETWEEN:
                    return name, line
        return None


class Run:
    """One program that was run and what it left."""

    def __init__(self, name, program, command, environment, record):
        self.name, self.program, self.command = name, program, command
        self.environment, self.record = environment, record
        self.code, self.output = 0, ""
        self.sites = collections.defaultdict(lambda: [0, 0])  # (file, line) -> reached, failed
        self.paths = 0
        self.injections = 0

    def run(self):
        """Runs it."""
        done = subprocess.run(self.command, env=dict(os.environ, **self.environment), cwd=ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
        self.code, self.output = done.returncode, done.stdout
        return self

    def read(self):
        """Looks its addresses up."""
        if not self.record.exists():
            return
        paths = []
        for line in self.record.read_text().splitlines():
            words = line.split()
            if words[0] == "path":
                reached, once, ever = map(int, words[1:4])
                paths.append((reached, once, ever, [int(w, 16) for w in words[4:]]))
        lines = Lines(self.program, sorted({a for p in paths for a in p[3] if a < 1 << 32}))
        for reached, once, ever, addresses in paths:
            site = lines.site(addresses)
            if not site:
                continue
            self.paths += 1
            self.injections += once + ever
            self.sites[site][0] += reached
            self.sites[site][1] += once + ever


def workload_files():
    """=> all workloads, as the command takes them."""
    return [str(p.relative_to(ROOT)) for p in sorted((ROOT / "workloads").rglob("*.rmw"))]


def plan(build, folder, whole):
    """=> all runs."""
    runs = []
    for design in DESIGNS:
        record = folder / f"workloads.{design}"
        command = [str(build / "rmap-oom"), "--quiet", "--design", design, "--sites", str(record)]
        command += (["--all"] if whole else []) + workload_files()
        runs.append(Run(f"workloads, {design}", build / "rmap-oom", command, {}, record))
        if whole or design == DESIGNS[0]:
            io = [str(build / "rmap-oom"), "--quiet", "--io", "--design", design]
            io += (["--all"] if whole else []) + workload_files()
            runs.append(Run(f"devices, {design}", build / "rmap-oom", io, {},
                            folder / f"devices.{design}"))
        for spec in GENERATORS if whole else []:
            record = folder / f"{spec.split(':')[0]}.{design}"
            command = [str(build / "rmap-oom"), "--quiet", "--design", design, "--sites",
                       str(record), spec]
            runs.append(Run(f"{spec}, {design}", build / "rmap-oom", command, {}, record))
    for source in sorted((ROOT / "tests" / "unit").glob("test_*.c")):
        text = source.read_text()
        program = build / "tests" / source.stem
        engine = re.search(r'#include "(engine|faulty|faulty_fixture|scene|vmas)\.h"', text)
        if not engine and "tiny_vm.h" not in text:
            continue
        one = source.stem in ("test_draw", "test_designs") or not engine
        designs = DESIGNS if whole and not one else [None]
        for design in designs:
            environment = {"RMAP_OOM": str(folder)}
            if design:
                environment["RMAP_DESIGN"] = design
            record = folder / f"{source.stem}.{design or 'default'}"
            runs.append(Run(f"{source.stem}{', ' + design if design else ''}", program,
                            [str(program)], environment, record))
    return runs


def excuses():
    """=> {file: [(text, reason)]} of sites that need not fail."""
    known = collections.defaultdict(list)
    for line in (ROOT / "tests" / "oom" / "unreached.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, text, reason = (part.strip() for part in line.split("|"))
            known[name].append((text, reason))
    return known


def report(runs, known):
    """Prints the figures; => is all well?"""
    wanted = source_sites()
    failed_at, reached_at = set(), set()
    passed_by = []

    def source_of(site):
        """The line that asks: a call over several lines may be known by another of them."""
        name, line = site
        near = [s for s in wanted if s[0] == name and abs(s[1] - line) <= 3]
        return min(near, key=lambda s: abs(s[1] - line)) if near else None

    for run in runs:
        for site, (reached, failed) in run.sites.items():
            source = source_of(site)
            if not source:
                print(f"{site[0]}:{site[1]}: asks for memory, but no such line was found")
                continue
            reached_at.add(source)
            if failed:
                failed_at.add(source)
            elif reached:
                passed_by.append((run.name, source))
    missing = []
    excused = 0
    for name, line in sorted(wanted - failed_at):
        text = (ROOT / name).read_text().splitlines()[line - 1]
        reason = next((r for t, r in known.get(name, []) if t in text), None)
        if reason:
            excused += 1
            print(f"{name}:{line}: never failed: {reason}")
        else:
            missing.append(f"{name}:{line}: {text.strip()}")
    for line in missing:
        print(f"never failed: {line}")
    for name in sorted({name for name, _ in passed_by}):
        lines = ", ".join(f"{f[4:]}:{n}" for o, (f, n) in sorted(passed_by) if o == name)
        print(f"{name}: with several threads no child can be made: {lines} did not fail there")
    print(f"{len(failed_at)} of {len(wanted)} sites failed ({excused} have a reason not to), "
          f"{sum(r.injections for r in runs)} injections on {sum(r.paths for r in runs)} paths "
          f"in {len(runs)} runs")
    return not missing


def main():
    """Runs all and prints what came of it."""
    parser = argparse.ArgumentParser(description="Fail every allocation of src/.")
    parser.add_argument("--build", default="build", help="the build folder (build)")
    parser.add_argument("--whole", action="store_true", help="all of it, not only each path once")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    build = (ROOT / options.build).resolve()
    start, done, lock = time.monotonic(), 0, threading.Lock()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        runs = plan(build, pathlib.Path(folder), options.whole)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for future in concurrent.futures.as_completed([pool.submit(r.run) for r in runs]):
                run = future.result()
                with lock:
                    done += 1
                if run.code:
                    bad += 1
                    wrong = [line for line in run.output.splitlines()
                             if "out of memory" in line or ".rmw:" in line]
                    print(f"{run.name}: exit code {run.code}")
                    print("\n".join("    " + line for line in (wrong or [run.output])[-20:]))
                if sys.stderr.isatty():
                    print(f"\r\033[K{done}/{len(runs)} runs, {time.monotonic() - start:.0f} s",
                          end="", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        for run in runs:
            run.read()
        well = report(runs, excuses())
    if bad:
        print(f"{bad} runs went wrong")
    return 0 if well and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
