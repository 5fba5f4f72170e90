#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the tests reach of src/: lines, branches and MC/DC conditions, held against the goals.

Runs the tests of the coverage preset under all designs, merges what clang's instrumentation left, and prints a table and
each place that was not reached and is not justified. Exit code 1: a goal is missed, a place is neither reached nor justified, an
entry of justified.txt fits nothing any more, or a test failed.

Not counted are the failing sides of assertions: what a macro decides whose name ends in ASSERT, and what the inline functions X_valid()
decide that such macros ask (most only where RMAP_DEBUG is set, which is not measured: nor are their lines). A broken invariant stops the program; tests/unit/test_check*.c show that it is seen. A function that stands in a header counts once, reached from wherever.

justified.txt: entries separated by empty lines. The first line is a file, then come lines of its source as they stand there one below the
other, each after `| `, then the reason. They must stand there once only; a `|` alone begins another such passage of the file. An entry speaks
for what begins on these lines and is not reached; one that is not in the file, or all of which is reached, has rotted. A reason that begins
with "Race:" is of what threads may reach in one run and not in the next: that it was reached this time is no complaint.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import suite  # noqa: E402  pylint: disable=wrong-import-position

BUILD = ROOT / "build-coverage"
PROFILES = BUILD / "profiles"
MERGED = BUILD / "all.profdata"
JUSTIFIED = ROOT / "tests" / "coverage" / "justified.txt"
LABELS = ["unit", "design", "scenario", "cli", "example", "fuzz", "stress", "weave"]
# What the weaver's and the fuzzer's own tests run are programs with a mistake in them. And clang's records of coverage are symbols, too, with addresses
# that are none: libdw takes functions of this very program for them.
# What is limited by time is replaced by find_tests(). The museum is not built here: who asks for it.
OTHERS = re.compile("(weave|fuzz)/planted|weave/(cli|scenarios|pairs|pct|random)|unit/breaks_stack|cli/(bugs|options)")
GOALS = {"lines": 98.0, "branches": 95.0, "conditions": 90.0}  # per cent
ASSERTION = re.compile(r"\w*ASSERT\b")
MACRO = re.compile(r"\w+")


def say(text=""):
    """Prints at once."""
    print(text, flush=True)


# ---------------------------------------------------------------- running


def weave(name, *options):
    """A run of the weaver that ends by what it has done, however slow the machine is."""
    designs = [f"-d{d}" for d in ("lineage", "anon_vma_chain", "anon_vma", "anonmm", "cow_context", "pte_chain")]
    return suite.Test(f"weave/{name}", [str(BUILD / "rmap-weave"), *designs, *options], [], {}, str(ROOT), 1800, "", 1)


def find_tests(pattern):
    """All that counts, as far as its name matches: ctest's, and what only runs here."""
    tests = [t for t in suite.tests(BUILD, LABELS) if not OTHERS.fullmatch(t.name)]
    tests += [weave("named", "--executions", "1500"),
              weave("named-random", "--strategy", "random", "--executions", "400"),
              weave("pairs-random", "--pairs", "--strategy", "random", "--executions", "16"),
              weave("pairs-pct", "--pairs", "--strategy", "pct", "--preemptions", "3", "--executions", "12")]
    # Out of memory at every allocation: what its children reach counts. What it says itself is for the build that names sites.
    tests.append(suite.Test("oom", [sys.executable, str(ROOT / "scripts" / "oom.py"), "--build", str(BUILD)],
                            [], {}, str(ROOT), 1800, "", 1))
    return [t for t in tests if re.search(pattern, t.name)]


def run_all(pattern):
    """Runs the tests; returns how many failed. Profiles are merged as they are written, a few files a program."""
    tests = find_tests(pattern)
    PROFILES.mkdir(exist_ok=True)
    for old in PROFILES.glob("*"):
        old.unlink()
    # Those that take turns come first, one after the other; the rest fills the gaps.
    turns = [t for t in tests if t.exclusive]
    others = [t for t in tests if not t.exclusive]
    extra = {"LLVM_PROFILE_FILE": f"{PROFILES}/%4m.profraw"}
    start, failed = time.monotonic(), 0

    def one_by_one(group):
        return [(t, suite.run(t, extra)) for t in group]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() + 1) as pool:
        jobs = [pool.submit(one_by_one, group) for group in [turns] + [[t] for t in others]]
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            for test, result in job.result():
                if result.outcome in ("failed", "timeout"):
                    failed += 1
                    say(f"coverage: {test.name}: {result.outcome}")
                    say(result.output.decode(errors="replace")[-1500:])
            if sys.stderr.isatty():
                print(f"\r{done} of {len(jobs)} tests", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    say(f"{len(tests)} tests, {failed} failed, {time.monotonic() - start:.0f} s")
    return failed


# The first two hold all of src/. The weaver's is compiled with other locks and atomics: to llvm-cov some of its functions are others, and of
# two that have the same name it would only see the first one's. The last has its own of the inline functions that it tests.
PROGRAMS = ("rmap", "rmap-weave", "tests/test_interval")


def llvm_cov(program, *arguments):
    """llvm-cov on what was merged, as far as it is about that program; returns what it printed."""
    return subprocess.run(["llvm-cov-19", *arguments, str(BUILD / program),
                           f"-instr-profile={MERGED}", str(ROOT / "src")],
                          check=True, capture_output=True, text=True).stdout


def merge(keep):
    """Merges the profiles of all programs; keep: with what was merged before, as far as it is of functions that are the same still."""
    profiles = sorted(str(p) for p in PROFILES.glob("*.profraw"))
    if not profiles:
        sys.exit("coverage: no test left a profile")
    new = MERGED.with_suffix(".new")
    if keep and MERGED.exists():
        profiles.append(str(MERGED))
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", "-o", str(new), *profiles], check=True,
                   stderr=None if not keep else subprocess.DEVNULL)
    new.replace(MERGED)


# ---------------------------------------------------------------- reading


@dataclasses.dataclass
class Item:
    """Something that tests reach or do not."""

    kind: str  # "lines", "branches" or "conditions"
    line: int
    what: str  # for a reader: "never true"
    covered: bool = False


class Source:
    """The text of a file, to find out which macro stands where."""

    def __init__(self):
        self.files = {}

    def lines(self, path):
        """Its lines, read once."""
        if path not in self.files:
            self.files[path] = pathlib.Path(path).read_text().splitlines()
        return self.files[path]

    def macro(self, path, line, column):
        """The name that begins there."""
        found = MACRO.match(self.lines(path)[line - 1][column - 1:])
        return found.group(0) if found else ""

    def text(self, path, where):
        """One line's worth of what stands from where[0], where[1] to where[2], where[3]."""
        first, begin, last, end = where[:4]
        lines = self.lines(path)[first - 1:last]
        if first == last:
            return lines[0][begin - 1:end - 1]
        return " ".join([lines[0][begin - 1:].strip(), *(l.strip() for l in lines[1:-1]),
                         lines[-1][:end - 1].strip()])


class Origins:
    """Where the files of a function's record (macro expansions are files of their own) stand in its own file."""

    def __init__(self, function, source):
        self.function, self.source = function, source
        self.parent = {}
        for region in function["regions"]:
            if region[7] == 1:  # an expansion
                self.parent[region[6]] = (region[5], region[:4])
        self.root = next(r[5] for r in function["regions"] if r[5] not in self.parent)

    def trace(self, file_id, where):
        """(place in the outermost file, places on the way, names of macros on the way)."""
        path, macros = [tuple(where[:4])], []
        while file_id in self.parent:
            file_id, where = self.parent[file_id]
            path.append(tuple(where))
            macros.append(self.source.macro(self.function["filenames"][file_id], *where[:2]))
        return file_id, path, macros


def add(items, key, kind, line, what, covered):
    """An item may be met more than once, in each part of a program that has a header's function."""
    if items.get(None):  # only what is known already
        if key in items and covered:
            items[key].covered = True
        return
    item = items.setdefault(key, Item(kind, line, what))
    item.covered = item.covered or covered


def read_branches(function, origins, source, items):
    """Both sides of each condition."""
    for branch in function["branches"]:
        true, false, file_id = branch[4], branch[5], branch[6]
        root, path, macros = origins.trace(file_id, branch)
        if any(ASSERTION.fullmatch(m) for m in macros):
            continue
        file = function["filenames"][root]
        text = source.text(file, path[-1])
        for side, count in (("true", true), ("false", false)):
            add(items[file], ("branch", *path, side), "branches", path[-1][0],
                f"never {side}: {text}", count > 0)


def read_conditions(function, origins, source, items):
    """MC/DC: has each condition been shown to decide by itself?

    A record does not say which file its place is in. It is the function's own if as many conditions as it has stand there; what macros
    decide in themselves is not looked at.
    """
    own = [b for b in function["branches"] if b[8] == 6 and b[6] not in origins.parent]
    for record in function["mcdc_records"]:
        inside = sorted({tuple(b[:4]) for b in own if
                         tuple(record[:2]) <= tuple(b[:2]) and tuple(b[2:4]) <= tuple(record[2:4])})
        if len(inside) != len(record[6]):
            continue
        file = function["filenames"][origins.root]
        for where, covered in zip(inside, record[6]):
            add(items[file], ("condition", tuple(record[:4]), where), "conditions", where[0],
                f"never decides: {source.text(file, where)}", covered)


def is_assertion(function, origins, source):
    """A structure's X_valid()? (Functions of such names that look at arguments are not inline.)"""
    if not function["name"].endswith("_valid"):
        return False
    body = function["regions"][0][0]  # its head is above
    head = source.lines(function["filenames"][origins.root])[max(0, body - 4):body]
    return any("static inline" in line for line in head)


def read_lines(program, items, source):
    """Lines, as lcov counts them."""
    file = None
    for line in llvm_cov(program, "export", "-format=lcov").splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            file = value
        elif key == "DA":
            number, count = value.split(",")[:2]
            add(items[file], ("line", int(number)), "lines", int(number),
                f"not reached: {source.lines(file)[int(number) - 1].strip()}", int(count) > 0)


def read():
    """Path below the root -> its items."""
    source, items = Source(), collections.defaultdict(dict)
    asked = collections.defaultdict(set)  # file -> lines that only assertions ask
    for program in PROGRAMS:
        data = json.loads(llvm_cov(program, "export", "-format=text"))["data"][0]
        for function in data["functions"]:
            origins = Origins(function, source)
            # llvm-cov tells of all functions; what stands elsewhere may have been edited since it was compiled.
            if not function["filenames"][origins.root].startswith(f"{ROOT}/src/"):
                continue
            if is_assertion(function, origins, source):
                region = function["regions"][0]
                asked[function["filenames"][origins.root]].update(range(region[0], region[2] + 1))
                continue
            read_branches(function, origins, source, items)
            read_conditions(function, origins, source, items)
        read_lines(program, items, source)
        # What the weaver's program has besides is its own: its atomics are macros with decisions in them.
        for found in items.values():
            found[None] = True
    for file, found in items.items():
        del found[None]
        for line in asked[file]:
            found.pop(("line", line), None)
    prefix = str(ROOT) + "/"
    return {file.removeprefix(prefix): sorted(found.values(), key=lambda i: (i.line, i.kind, i.what))
            for file, found in sorted(items.items()) if file.startswith(prefix + "src/")}


# ---------------------------------------------------------------- what is justified


def read_justified():
    """Returns (file -> line number -> entries' numbers, entries' places, complaints)."""
    allowed = collections.defaultdict(dict)
    places, complaints = {}, []
    number = 0
    text = JUSTIFIED.read_text().splitlines() if JUSTIFIED.exists() else []
    block = []
    for number, line in enumerate(text + [""], 1):
        if line.startswith("#"):
            continue
        if line.strip():
            block.append((number, line))
            continue
        if block:
            read_entry(block, allowed, places, complaints)
        block = []
    return allowed, places, complaints


def read_entry(block, allowed, places, complaints):
    """One entry: the file, quoted lines, a reason."""
    number, file = block[0]
    passages = [[]]
    for _, line in block[1:]:
        if line.strip() == "|":
            passages.append([])
        elif line.startswith("|"):
            passages[-1].append(line[1:].strip())
    reason = " ".join(line for _, line in block[1:] if not line.startswith("|"))
    path = ROOT / file.strip()
    if not path.is_file():
        complaints.append(f"justified.txt:{number}: there is no file {file.strip()}")
        return
    if not all(passages) or len(reason.split()) < 4:
        complaints.append(f"justified.txt:{number}: quoted lines and a reason are wanted")
    have = [line.strip() for line in path.read_text().splitlines()]
    for passage in passages:
        found = [i for i in range(len(have)) if have[i:i + len(passage)] == passage]
        if len(found) != 1:
            complaints.append(f"justified.txt:{number}: stands {len(found)} times in {file.strip()}: {passage[:1]}")
            continue
        for i in range(found[0], found[0] + len(passage)):
            allowed[file.strip()].setdefault(i + 1, []).append(number)
    if not reason.startswith("Race:"):
        places[number] = 0


def rest(files):
    """Per file the items that are neither reached nor justified; and complaints about justified.txt."""
    allowed, places, complaints = read_justified()
    left = {}
    for file, items in files.items():
        left[file] = []
        for item in items:
            if item.covered:
                continue
            entries = allowed[file].get(item.line, ())
            for number in entries:
                if number in places:
                    places[number] += 1
            if not entries:
                left[file].append(item)
    complaints += [f"justified.txt:{number}: all of it is reached now: away with it"
                   for number, used in places.items() if not used]
    return left, complaints


# ---------------------------------------------------------------- telling


def share(covered, total):
    """Per cent; of nothing all is covered."""
    return 100.0 * covered / total if total else 100.0


def table(files, by):
    """A line per group (by: file -> group) and the total; returns the total's shares."""
    sums = collections.defaultdict(lambda: {kind: [0, 0] for kind in GOALS})
    for file, items in files.items():
        for item in items:
            for group in {by(file), "src"}:
                sums[group][item.kind][0] += item.covered
                sums[group][item.kind][1] += 1
    width = max(map(len, sums))
    say(f"{'':{width}}" + "".join(f"{kind:>22}" for kind in GOALS))
    for group in sorted(sums, key=lambda g: (g == "src", g)):
        cells = "".join(f"{covered:>7} of {total:<5} {share(covered, total):5.1f}%"
                        for covered, total in sums[group].values())
        say(f"{group:{width}}{cells}")
    say(f"{'goal':{width}}" + "".join(f"{goal:>21.1f}%" for goal in GOALS.values()))
    return {kind: share(*sums["src"][kind]) for kind in GOALS}


def main():
    """Runs, reads, tells."""
    parser = argparse.ArgumentParser(description="What the tests reach of src/.")
    parser.add_argument("--no-run", action="store_true", help="read what the last run left")
    parser.add_argument("--tests", default="", metavar="REGEX", help="only tests of such names")
    parser.add_argument("--only", metavar="REGEX",
                        help="only tests of such names, and what the last run left besides (a new test, seen without all others)")
    parser.add_argument("--files", action="store_true", help="a line for each file")
    parser.add_argument("--file", default="", metavar="PART", help="list only places in such files")
    parser.add_argument("--all", action="store_true", help="list justified places, too")
    parser.add_argument("--html", action="store_true", help="also write build-coverage/html/")
    arguments = parser.parse_args()
    failed = 0 if arguments.no_run else run_all(arguments.only or arguments.tests)
    if not arguments.no_run:
        merge(keep=arguments.only is not None)
    files = read()
    left, complaints = rest(files)
    for file, items in files.items():
        listed = [i for i in items if not i.covered] if arguments.all else left[file]
        for item in listed if arguments.file in file else ():
            say(f"{file}:{item.line}: {item.what}")
    for complaint in complaints:
        say(complaint)
    shares = table(files, (lambda f: f) if arguments.files else (lambda f: f.rpartition("/")[0]))
    unreached = sum(not i.covered for items in files.values() for i in items)
    open_places = sum(map(len, left.values()))
    say(f"{unreached} not reached: {unreached - open_places} justified, {open_places} not")
    if arguments.html:
        llvm_cov("rmap", "show", "-format=html", "-show-branches=count", "-show-mcdc",
                 f"-output-dir={BUILD / 'html'}")
        say("line by line: build-coverage/html/index.html")
    missed = [kind for kind, goal in GOALS.items() if shares[kind] < goal]
    if missed:
        say("missed: " + ", ".join(missed))
    sys.exit(1 if missed or open_places or complaints or failed else 0)


if __name__ == "__main__":
    main()
