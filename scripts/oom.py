#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Out of memory at every allocation: runs it, names the sites, counts.

rmap-oom does it to workloads, on every design; each program of unit tests does it to itself (tests/oom/inject.h). Both leave
return addresses, which are made lines of src/ here. A site is a line of src/ that asks for memory. All of them must have failed,
but for those that tests/oom/unreached.txt gives a reason for, and whatever a run has reached must have failed in that run.

Tests with several threads, of which a child would have one, are refused a share of what they ask for, and ask again.

And rmap-oom --io: transfers to and from swap and files that fail.

Without --whole: each path of calls once on each design over all workloads, and unit tests with the default design. With it: each
path once in each workload on each design, and unit tests with every design. A path that has failed in a workload is not made to
fail there again: there it meets the same machine in nearly the same state, and a process for each of some millions of allocations
would take days. --every-allocation does that, for whoever has them; most will want --only with it.

A whole run may be broken off: what a program has come to with a workload is kept in the build folder, by the contents of both, and
is not done again (--afresh: it is). Exit code: 0 all is well.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from check import ROOT, designs

DESIGNS = designs()
# Small: what a run costs is processes, one or two for each operation and two for each path.
GENERATORS = [
    "fork-cow:children=3,pages=6", "fork-chain:generations=6,pages=8", "prefork:workers=3,pages=8,rounds=2",
    "zygote:apps=3,regions=4,pages=4,own=4", "mremap-churn:regions=6,pages=8,steps=200,fork=20",
    "split-merge:pages=32,steps=200,fork=20", "survivors:children=6,left=2,which=spread,pages=4",
    "unmapped:children=5,pages=6", "fork-vmas:vmas=8,children=3,depth=2", "swap-shared:children=4,pages=8",
    "single-pages:vmas=24,children=2", "fork-move:depth=3,children=2,moves=8,pages=8",
    "displaced:ranges=8,pages=4,children=3", "file-offsets:files=2,mappings=6,pages=4,children=3",
    "neighbours:every=1601", "moves:every=4001",
]
# One request of threads in so many is refused; not where the test counts frames and faults to the last.
RATES = [20, 300]
EXACT = {"cpu"}
# Much of what others do with less, at the same sites: each child of it takes seconds.
LARGE = {"hibernate_many"}
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

    def __init__(self, name, program, command, environment, record, reads=(), group=None):
        self.name, self.program, self.command = name, program, command
        self.group = group or name  # of one group's runs one must fail what another has reached
        self.environment, self.record, self.reads = environment, record, reads
        self.code, self.output, self.seconds = 0, "", 0.0
        self.sites = collections.defaultdict(lambda: [0, 0])  # (file, line) -> reached, failed
        self.paths = 0
        self.injections = 0
        self.transfers = 0

    def key(self, digests):
        """=> what it depends on, as one name: the program, what it reads, how it is run."""
        text = [digest(path, digests) for path in (self.program, *self.reads)]
        how = [word for word in self.command if word.startswith("--")]
        return hashlib.sha256(repr((text, self.name, how)).encode()).hexdigest()[:24]

    def run(self):
        """Runs it."""
        start = time.monotonic()
        done = subprocess.run(self.command, env=dict(os.environ, **self.environment), cwd=ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
        self.code, self.output = done.returncode, done.stdout
        self.seconds = time.monotonic() - start
        return self

    def lines(self):
        """=> (reached, once, ever, addresses) of each path that it left."""
        if not self.record.exists():
            return
        for line in self.record.read_text().splitlines():
            words = line.split()
            if words[0] == "path":
                reached, once, ever = map(int, words[1:4])
                yield reached, once, ever, [int(w, 16) for w in words[4:]]

    def read(self, lines):
        """Counts, with its addresses looked up."""
        for reached, once, ever, addresses in self.lines():
            site = lines.site(addresses)
            if not site:
                continue
            self.paths += 1
            self.injections += once + ever
            self.sites[site][0] += reached
            self.sites[site][1] += once + ever
        if "--io" in self.command:
            said = re.search(r"(\d+) injections", self.output)
            self.transfers = int(said.group(1)) if said else 0


def digest(path, known):
    """=> of a file's contents; known: those that were looked at."""
    if path not in known:
        known[path] = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    return known[path]


def read_all(runs):
    """Looks up what all have left: addr2line takes long to begin, so once for each program."""
    by_program = collections.defaultdict(list)
    for run in runs:
        by_program[run.program].append(run)
    for program, its in by_program.items():
        addresses = {a for run in its for path in run.lines() for a in path[3] if a < 1 << 32}
        lines = Lines(program, sorted(addresses))
        for run in its:
            run.read(lines)


class Kept:
    """What earlier runs have come to: one folder for each, named by its key, and how long each name took."""

    def __init__(self, folder, afresh):
        self.folder, self.digests = folder, {}
        folder.mkdir(exist_ok=True)
        if afresh:
            for old in folder.iterdir():
                old.unlink()
        self.times = folder / "seconds.json"
        self.seconds = json.loads(self.times.read_text()) if self.times.exists() else {}

    def find(self, run):
        """=> is it there? Then the run is as if it had been run."""
        key = run.key(self.digests)
        done = self.folder / f"{key}.done"
        run.kept = self.folder / key
        if not done.exists():
            return False
        run.output, run.record = done.read_text(), run.kept
        return True

    def keep(self, run):
        """It was run; what went wrong is tried again the next time."""
        self.seconds[run.name] = round(run.seconds, 2)
        if run.code:
            return
        if run.record.exists():
            run.kept.write_bytes(run.record.read_bytes())
        run.kept.with_suffix(".done").write_text(run.output)

    def save(self):
        """For the next time's estimate."""
        self.times.write_text(json.dumps(self.seconds, indent=0, sort_keys=True))

    def expect(self, run):
        """=> how long it may take, in seconds."""
        if run.name in self.seconds:
            return self.seconds[run.name]
        like = run.name.rsplit(", ", 1)[0]
        others = [s for name, s in self.seconds.items() if name.startswith(like + ", ")]
        return sum(others) / len(others) if others else 2.0


def workload_files():
    """=> all workloads, as the command takes them."""
    return [str(p.relative_to(ROOT)) for p in sorted((ROOT / "workloads").rglob("*.rmw"))]


def plan_workloads(build, folder, options):
    """=> the runs of rmap-oom."""
    program, runs = build / "rmap-oom", []
    every = ["--all"] if options.every_allocation else []

    def add(name, design, arguments, files=(), sites=True):
        record = folder / re.sub(r"[^\w.]+", "-", f"{name}.{design}")
        command = [str(program), "--quiet", "--design", design, *every, *arguments]
        command += ["--sites", str(record)] if sites else []
        reads = [ROOT / f for f in files if f.endswith(".rmw")]
        runs.append(Run(f"{name}, {design}", program, command + list(files), {}, record, reads))

    for design in DESIGNS:
        if not options.whole:
            add("workloads", design, [], workload_files())
            continue
        for name in workload_files() + GENERATORS:
            add(name, design, [], [name])
        for name in workload_files():
            add(f"devices: {name}", design, ["--io"], [name], sites=False)
    if not options.whole:
        add("devices", DESIGNS[0], ["--io"], workload_files(), sites=False)
    return runs


def tests_known(build):
    """=> ({unit tests that have an engine}, {those of them that run it with each design}), as tests/CMakeLists.txt says."""
    said = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True).stdout
    tests = json.loads(said)["tests"]
    labels = {test["name"]: label["value"] for test in tests for label in test["properties"] if label["name"] == "LABELS"}
    unit = {name[5:] for name in labels if name.startswith("unit/") and "engine" in labels[name]}
    return unit, {name for name in unit if f"{DESIGNS[-1]}/unit/{name}" in labels}


def plan_tests(build, folder, whole):
    """=> the runs of unit tests: those that have a machine, or the tiny one of tier 1."""
    runs = []
    engine, each_design = tests_known(build)
    for source in sorted((ROOT / "tests" / "unit").glob("test_*.c")):
        text = source.read_text()
        name, program = source.stem[5:], build / "tests" / source.stem
        if name not in engine and '#include "tiny_vm.h"' not in text:
            continue
        if name in LARGE:
            continue
        for design in DESIGNS if whole and name in each_design else [None]:
            environment = {"RMAP_OOM": str(folder)}
            if design:
                environment["RMAP_DESIGN"] = design
            record = f"{source.stem}.{design or 'default'}"
            group = f"{source.stem}, {design or 'default'}"
            runs.append(Run(group, program, [str(program)], environment, folder / record, group=group))
            threads = re.search(r'pthread_create|#include "meanwhile(_file)?\.h"', text)
            if not threads or name in EXACT:
                continue
            for rate in RATES if whole else RATES[:1]:
                runs.append(Run(f"{source.stem}: one in {rate}, {design or 'default'}", program,
                                [str(program)], dict(environment, RMAP_OOM_RATE=str(rate)),
                                folder / f"{record}.{rate}", group=group))
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
    failed_at = set()
    failed_in, reached_in = collections.defaultdict(set), collections.defaultdict(set)

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
            if failed:
                failed_at.add(source)
                failed_in[run.group].add(source)
            elif reached:
                reached_in[run.group].add(source)
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
    spared = collections.Counter(source for name in reached_in
                                 for source in reached_in[name] - failed_in[name])
    if spared:
        lines = ", ".join(f"{f[4:]}:{n} ({nr})" for (f, n), nr in sorted(spared.items()))
        print(f"asked beside other threads by the one that sets a test up, or seldom, in so many tests, "
              f"and failed in others only: {lines}")
    print(f"{len(failed_at)} of {len(wanted)} sites failed ({excused} have a reason not to), "
          f"{sum(r.injections for r in runs):,} injections on {sum(r.paths for r in runs):,} "
          f"paths in {len(runs):,} runs; {sum(r.transfers for r in runs):,} failed transfers")
    return not missing


class Progress:
    """A line about how far it is: on a terminal the same one again and again, else one a minute."""

    def __init__(self, runs, kept, jobs):
        self.left = {run.name: kept.expect(run) if kept else 1.0 for run in runs}
        self.all, self.jobs, self.kept = len(runs), jobs, kept
        self.start = self.said = time.monotonic()

    def done(self, run):
        """One more."""
        now, tty = time.monotonic(), sys.stderr.isatty()
        del self.left[run.name]
        if not tty and (now - self.said < 60 or not self.kept):
            return
        self.said = now
        about = f", about {sum(self.left.values()) / self.jobs / 60:.0f} min left" if self.kept else ""
        print(f"{chr(13) + chr(27) + '[K' if tty else ''}{self.all - len(self.left)}/{self.all} runs, "
              f"{now - self.start:.0f} s{about}", end="" if tty else "\n", file=sys.stderr, flush=True)

    @staticmethod
    def clear():
        """The line goes."""
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def say_wrong(run):
    """What a run that went wrong has said."""
    wrong = [line for line in run.output.splitlines() if "out of memory" in line or ".rmw:" in line]
    print(f"{run.name}: exit code {run.code}")
    print("\n".join("    " + line for line in (wrong or [run.output])[-20:]), flush=True)


def run_all(runs, kept, jobs):
    """Runs what is not there yet, the longest first. => how many went wrong."""
    todo = [run for run in runs if not (kept and kept.find(run))]
    if kept and len(todo) < len(runs):
        print(f"{len(runs) - len(todo)} of {len(runs)} runs were done before", file=sys.stderr)
    if kept:
        todo.sort(key=kept.expect, reverse=True)
    progress = Progress(todo, kept, jobs)
    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        for future in concurrent.futures.as_completed([pool.submit(r.run) for r in todo]):
            run = future.result()
            if run.code:
                progress.clear()
                say_wrong(run)
            if kept:
                kept.keep(run)
            progress.done(run)
    finally:
        pool.shutdown(cancel_futures=True)
        if kept:
            kept.save()
        progress.clear()
    return sum(run.code != 0 for run in todo)


def main():
    """Runs all and prints what came of it."""
    parser = argparse.ArgumentParser(description="Fail every allocation of src/.")
    parser.add_argument("--build", default="build", help="the build folder (build)")
    parser.add_argument("--whole", action="store_true", help="all of it, not only each path once")
    parser.add_argument("--every-allocation", action="store_true",
                        help="of every operation, not only each path once a workload")
    parser.add_argument("--only", metavar="REGEX", help="runs whose name matches; sites are not judged")
    parser.add_argument("--afresh", action="store_true", help="also what was done before")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    build = (ROOT / options.build).resolve()
    # Programs that were made meanwhile, or broken off, are not to meet each other's records.
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        kept = Kept(build / "oom", options.afresh) if options.whole else None
        runs = plan_workloads(build, folder, options) + plan_tests(build, folder, options.whole)
        if options.only:
            runs = [run for run in runs if re.search(options.only, run.name)]
        bad = run_all(runs, kept, options.jobs)
        read_all(runs)
        well = report(runs, excuses()) or bool(options.only)
    if bad:
        print(f"{bad} runs went wrong")
    return 0 if well and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
