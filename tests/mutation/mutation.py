#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Do the tests see machine-made mistakes? Makes them in src/, one at a time, and runs the tests that reach each.

All mutants are compiled into one build (mutants.py, mutant.h) in build-mutation/, with the locks that check their order and with the dear
assertions, as sanitizer builds have them. One run of all tests notes down which test reaches which mutant. Then for each mutant of the
sample: the tests that reach it, those first that kill the most for their time (of its function, of its file, of all), until one fails,
crashes or does not end: the mutant is killed. One that all of them pass, or as many as there is time for (--budget), is alive, and whoever
has looked at it says in equivalent.txt why it is the same program, or writes a test. Those that live are shown to the weaver as well.

Results are kept in build-mutation/results.json, by the text of the mutant's function and the suite's: a second run only does what has
changed. A run may be broken off at any time.

A sample is a share of all mutants that only the seed and the code decide on: it grows by being asked for more. The interval
that is printed is Wilson's at 95 %.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "mutation")]
import mutants as maker  # noqa: E402  pylint: disable=wrong-import-position
import suite  # noqa: E402  pylint: disable=wrong-import-position

WORK = ROOT / "build-mutation"
TREE, BUILD, PLAIN, REACH = WORK / "tree", WORK / "build", WORK / "plain", WORK / "reach"
RESULTS, TRACE = WORK / "results.json", WORK / "trace.pickle"
EQUIVALENT = ROOT / "tests" / "mutation" / "equivalent.txt"

LABELS = ["unit", "design", "scenario", "figures", "example", "fuzz", "cli"]
# Not for mutants: the recorder listens to the whole machine, compare weighs all designs for seconds, and what must find a mistake has found one.
LEFT_OUT = re.compile(r"cli/(record|compare)|fuzz/planted")
# These do in the middle of a walk what locks that check their order forbid: a build with plain ones is made for them.
PLAIN_LOCKS = ["lineage_meanwhile"]
# Seconds of processor time: tests that take longer are left out. The default design's may take more.
SLOWEST, SLOWEST_MAIN = 2.0, 12.0
# A unit test that takes longer is cut into the cmocka tests that it holds; one under another design that might be left out.
SPLIT, SPLIT_OTHER = 0.25, 1.5
CASE = re.compile(rb"^\[ RUN      \] (\w+)$", re.M)
MEMORY = 6 << 30         # bytes of address space
GOALS = {"src/rmap": 95.0, "src/mm": 90.0}
DIRECTORIES = tuple(GOALS)
WEAVER_SECONDS = 8      # of processor time for one mutant under all designs that come by it
WOVEN = ("lineage", "anon_vma_chain", "anon_vma", "anonmm", "cow_context", "pte_chain")
# What is the same under all designs is tested under one, and under ours.
SAME_FOR_ALL = re.compile(r"src/mm/")
OTHER_DESIGNS = re.compile(r"(scan|pte_chain|anon_vma|anonmm|cow_context)/")
# All but the default.
DESIGNS = ("scan", "pte_chain", "anon_vma", "anonmm", "cow_context", "lineage")


def say(text=""):
    """Prints at once."""
    print(text, flush=True)


# ---------------------------------------------------------------- the build


def sources():
    """Where mistakes are made: the files of both libraries, below the root."""
    return sorted(str(path.relative_to(ROOT)) for folder in DIRECTORIES
                  for path in (ROOT / folder).glob("*.[ch]") if path.name != "one_design.c")


def digest(*patterns):
    """A hash of all files below the root that fit."""
    total = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:20]


def copy_tree(keep):
    """Makes the mutants and returns them; keep: in the tree that is built. Files that have not changed keep their time."""
    fresh = WORK / f"tree.new.{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name in ("CMakeLists.txt", "CMakePresets.json", "README.md", "cmake", "include", "src", "port", "tools", "tests",
                 "examples", "fuzz", "workloads", "bench", "docs", "man", "scripts", "museum", "libexec"):
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, fresh / name, symlinks=True)
        elif path.exists():
            shutil.copy2(path, fresh / name)
    made = maker.rewrite(fresh, sources())
    here = ROOT / "tests" / "mutation"
    shutil.copy2(here / "mutant.c", fresh / "src" / "base" / "mutant.c")
    shutil.copy2(here / "mutant.h", fresh / "src" / "base" / "mutant.h")
    if keep:
        take_over(fresh, TREE)
    shutil.rmtree(fresh)
    return made


def take_over(fresh, old):
    """Makes old the same as fresh, and leaves alone what is the same already: ninja goes by time."""
    old.mkdir(exist_ok=True)
    names = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for path in [p for p in old.rglob("*") if p.is_file() and p.relative_to(old) not in names]:
        path.unlink()
    for name in names:
        target = old / name
        if not target.is_file() or target.read_bytes() != (fresh / name).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(fresh / name, target)
            os.utime(target)


def build(folder, options, targets):
    """Configures and builds the mutated tree; the log stands beside it."""
    log = WORK / f"{folder.name}.log"
    flags = f"-w -O1 -g0 -DRMAP_DEBUG -include {TREE}/src/base/mutant.h -I{TREE}/src/base"
    commands = [["cmake", "-S", str(TREE), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
                 f"-DCMAKE_C_FLAGS={flags}", *options],
                ["cmake", "--build", str(folder), "-j", str(os.cpu_count()), *targets]]
    with open(log, "w", encoding="utf-8") as file:
        for command in commands:
            if subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode:
                sys.exit(f"mutation: the mutants do not build, see {log}")


# ---------------------------------------------------------------- who reaches what


def program_of(test):
    """When the programs that it runs were made: a test whose programs are the same comes by the same mutants."""
    words = [*test.command, *test.environment.values()]
    return [(word, os.stat(word).st_mtime_ns) for word in words if os.path.isfile(word)]


def failing_tests():
    """Each workload with each of its allocations failing, under each design, and with each of its transfers (tests/oom)."""
    program, found = BUILD / "rmap-oom", []
    for path in sorted((TREE / "workloads" / "semantics").glob("*.rmw")):
        commands = {f"oom/{path.stem}": [], f"io/{path.stem}": ["--io"]}
        commands.update((f"{design}/oom/{path.stem}", ["-d", design]) for design in DESIGNS)
        found += [suite.Test(name, [str(program), "-q", *options, str(path)], ["oom"], {}, str(WORK), 120, "", 77)
                  for name, options in commands.items()]
    return found


def all_tests():
    """Those of the one build, but some of the other."""
    tests = {test.name: test for test in suite.tests(BUILD, LABELS) if not LEFT_OUT.match(test.name)}
    plain = {test.name: test for test in suite.tests(PLAIN, LABELS)}
    tests.update((name, plain[name]) for name in (f"unit/{name}" for name in PLAIN_LOCKS))
    return list(tests.values()) + failing_tests()


def case_of(test, case):
    """One of the cmocka tests of a program (RMAP_TEST, tests/unit/failed.c) as a test by itself."""
    return dataclasses.replace(test, name=f"{test.name}:{case}", environment=dict(test.environment, RMAP_TEST=case))


def trace_one(test, path, count, cpu):
    """Runs it once: how it went, and the marks of what it came by."""
    path.write_bytes(bytes(count + 1))
    result = suite.run(test, {"RMAP_MUTANT_REACH": str(path)}, cpu=cpu, memory=MEMORY)
    marks = path.read_bytes()
    path.unlink()
    return result, zlib.compress(marks, 1)


def slowest(test):
    """The processor time that it may take."""
    return SLOWEST if OTHER_DESIGNS.match(test.name) or test.name.startswith("lineage/") else SLOWEST_MAIN


def trace_all(todo, count, times):
    """Traces them on all processors, in so many times the time that each may take; yields (test, result, marks) as they come."""
    def one(number_test):
        number, test = number_test
        return test, *trace_one(test, REACH / str(number), count, times * slowest(test))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() + 1) as pool:
        for done, answer in enumerate(pool.map(one, enumerate(todo)), 1):
            progress(f"{done} of {len(todo)} tests traced")
            yield answer


def cases(test, result):
    """The tests inside a program that takes long, each to be run by itself; none where it knows no RMAP_TEST."""
    names = [name.decode() for name in CASE.findall(result.output)]
    split = SPLIT_OTHER if OTHER_DESIGNS.match(test.name) else SPLIT
    if result.seconds < split or len(set(names)) < 2 or not {"unit", "design"} & set(test.labels):
        return []
    one = suite.run(case_of(test, names[0]), cpu=SLOWEST_MAIN, memory=MEMORY)
    return sorted(set(names)) if len(CASE.findall(one.output)) == 1 else []


def trace(tests, made):
    """Runs each test once; returns the tests, long ones cut into their cases, and name -> (seconds, marks).

    What a former run has noted of the same programs is kept.
    """
    numbers = hashlib.sha256(" ".join(m.key for m in made).encode()).hexdigest()
    try:
        kept = pickle.loads(TRACE.read_bytes())
    except (OSError, EOFError, pickle.PickleError):
        kept = {}
    kept = kept.get("tests", {}) if kept.get("numbers") == numbers else {}
    shutil.rmtree(REACH, ignore_errors=True)
    REACH.mkdir()
    todo = [test for test in tests if test.name not in kept or kept[test.name]["program"] != program_of(test)]

    def keep(test, result, marks, parts):
        slow = result.outcome != "passed" or result.seconds > slowest(test)
        kept[test.name] = {"seconds": result.seconds, "marks": b"" if slow else marks, "program": program_of(test), "cases": parts}

    inside = []
    # More time than it may take: who takes too long as a whole may do as cases.
    for test, result, marks in trace_all(todo, len(made), 3):
        if result.outcome == "failed":
            say(f"mutation: {test.name} fails without any mistake; left out")
            say(result.output.decode(errors="replace")[-600:])
        parts = cases(test, result) if result.outcome in ("passed", "timeout") else []
        keep(test, result, marks, parts)
        inside += [case_of(test, part) for part in parts]
    for test, result, marks in trace_all(inside, len(made), 1):
        keep(test, result, marks, [])
    TRACE.write_bytes(pickle.dumps({"numbers": numbers, "tests": kept}))
    found = []
    for test in tests:
        found += [case_of(test, part) for part in kept[test.name]["cases"]] or [test]
    reach = {t.name: (kept[t.name]["seconds"], zlib.decompress(kept[t.name]["marks"])) for t in found if kept[t.name]["marks"]}
    return found, reach


def weave_command(weaver, designs, seconds):
    """The weaver's named scenarios under these designs."""
    options = [word for design in designs for word in ("-d", design)]
    return suite.Test("weave/scenarios", [str(weaver), "--seconds", str(seconds), *options], [], {}, str(WORK),
                      20 * seconds, "", 77)


def trace_weaver(weaver, count):
    """Which mutants its scenarios come by: design -> marks."""
    path, reach = REACH / "weave", {}
    for design in WOVEN:
        path.write_bytes(bytes(count + 1))
        result = suite.run(weave_command(weaver, [design], 3), {"RMAP_MUTANT_REACH": str(path)})
        if result.outcome == "passed":
            reach[design] = path.read_bytes()
        else:
            say(f"mutation: the weaver fails under {design} without any mistake; left out")
    path.unlink()
    return reach


def progress(text):
    """A line that is written over, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- one mutant


class Killer:
    """Runs tests against mutants, and remembers which tests are good at it."""

    def __init__(self, tests, reach, weaver, woven, arguments):
        self.tests = {test.name: test for test in tests if test.name in reach}
        self.reach, self.weaver, self.woven = reach, weaver, woven
        self.thorough, self.budget = arguments.thorough, arguments.budget
        self.kills = collections.Counter()  # ((file, function) or file or "", test) -> how often
        self.lock = threading.Lock()

    def remember(self, made, results):
        """What former runs have found out about who kills what."""
        for mutant in made:
            result = results.get(mutant.key, {})
            if result.get("fate") == "killed":
                self.note(mutant, result["by"])

    def note(self, mutant, name):
        """One more that the test has killed."""
        for where in ("", mutant.file, (mutant.file, mutant.function)):
            self.kills[where, name] += 1

    def promise(self, mutant, name):
        """What a test has killed, the nearer the better, for the time that it takes; before it has killed any, the quicker the better."""
        near = 20 * self.kills[(mutant.file, mutant.function), name] + 4 * self.kills[mutant.file, name]
        own = 4 if name.partition(":")[0] == f"unit/{pathlib.Path(mutant.file).stem}" else 0
        return (near + own + 0.1 * self.kills["", name] + 0.01) / (0.03 + self.reach[name][0])

    def order(self, mutant):
        """The tests that reach it, the most promising first; what is the same under all designs under the others last, if ever."""
        names = [n for n in self.tests if self.reach[n][1][mutant.number]]
        last = SAME_FOR_ALL.match(mutant.file) and not self.thorough
        with self.lock:
            promise = {name: self.promise(mutant, name) for name in names}
        return sorted(names, key=lambda name: (bool(last and OTHER_DESIGNS.match(name)), -promise[name]))

    def has_killed(self, mutant, name, outcome, tests, spent):
        """Notes it down."""
        with self.lock:
            self.note(mutant, name)
        return {"fate": "killed" if outcome == "failed" else "timeout", "by": name, "tests": tests, "seconds": round(spent, 2)}

    def run(self, name, number, seconds):
        """A test with a mutant in it (0: none), which may take five times the seconds that it takes else."""
        return suite.run(self.tests[name], {"RMAP_MUTANT": str(number), "CMOCKA_TEST_ABORT": "1", "RMAP_HURRY": "1"},
                         cpu=1 + 5 * seconds, wall=30 + 40 * seconds, memory=MEMORY)

    def outcome(self, mutant, name):
        """How it ends. Threads that wait for each other take many times as long on a busy machine: who has not ended is given what the
        test takes now without a mistake, before it is said not to end."""
        seconds = self.reach[name][0]
        result = self.run(name, mutant.number, seconds)
        if result.outcome != "timeout":
            return result
        without = self.run(name, 0, 10 * seconds + 2)
        if without.outcome != "passed":
            return dataclasses.replace(without, outcome="skipped")
        return self.run(name, mutant.number, max(seconds, without.seconds))

    def attack(self, mutant):
        """Returns {"fate": "killed", "timeout", "alive" or "unreached", "by": test, "tests": number, "seconds": of processor time}."""
        names, spent, tried, ended = self.order(mutant), 0.0, 0, False
        for name in names:
            if self.budget and spent > self.budget:
                ended = True
                break
            result = self.outcome(mutant, name)
            tried += 1
            spent += result.seconds
            if result.outcome in ("failed", "timeout"):
                return self.has_killed(mutant, name, result.outcome, tried, spent)
        designs = [d for d, marks in self.woven.items() if marks[mutant.number]]
        if designs:
            tried += 1
            result = suite.run(weave_command(self.weaver, designs, WEAVER_SECONDS), {"RMAP_MUTANT": str(mutant.number)},
                               cpu=10 * WEAVER_SECONDS, wall=20 * WEAVER_SECONDS, memory=MEMORY)
            if result.outcome in ("failed", "timeout"):
                return {"fate": result.outcome.replace("failed", "killed"), "by": "weave/scenarios", "tests": tried}
        return {"fate": "alive" if names or designs else "unreached", "by": "", "tests": tried, "of": len(names),
                "seconds": round(spent, 2), "ended": ended}


# ---------------------------------------------------------------- what was looked at


def read_equivalent():
    """Entries of equivalent.txt: (file, quoted line, "before => after") -> reason; and complaints.

    An entry: the file, the line as it stands there after `| `, the change after `~ `, the reason; separated by empty lines.
    """
    known, complaints, block = {}, [], []
    text = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    for number, line in enumerate(text + [""], 1):
        if line.startswith("#"):
            continue
        if line.strip():
            block.append((number, line.rstrip()))
            continue
        if block:
            read_entry(block, known, complaints)
        block = []
    return known, complaints


def read_entry(block, known, complaints):
    """One entry; each change of it stands for itself."""
    number, file = block[0][0], block[0][1].strip()
    quotes = [l[1:].strip() for _, l in block[1:] if l.startswith("|")]
    changes = [l[1:].strip() for _, l in block[1:] if l.startswith("~")]
    reason = " ".join(l.strip() for _, l in block[1:] if l[0] not in "|~")
    path = ROOT / file
    have = {line.strip() for line in path.read_text().splitlines()} if path.is_file() else set()
    for quote in quotes:
        if quote not in have:
            complaints.append(f"equivalent.txt:{number}: not in {file}: {quote}")
    if not quotes or not changes or len(reason.split()) < 4:
        complaints.append(f"equivalent.txt:{number}: a quoted line, a change and a reason are wanted")
    for quote in quotes:
        for change in changes:
            known[file, quote, change] = reason


def explained(mutant, known, lines):
    """Why it is the same program, or ""."""
    quote = lines[mutant.file][mutant.line - 1].strip()
    return known.get((mutant.file, quote, f"{mutant.before} => {mutant.after}")) or \
        known.get((mutant.file, quote, "*"), "")


# ---------------------------------------------------------------- telling


def wilson(good, total):
    """The interval of a share at 95 %, in per cent."""
    if not total:
        return 0.0, 100.0
    z, p = 1.96, good / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return 100 * (middle - half), 100 * (middle + half)


def report(chosen, results, population, listing):
    """The survivors, then a line a directory; returns whether the goals are met."""
    known, complaints = read_equivalent()
    lines = {name: (ROOT / name).read_text().splitlines() for name in sources()}
    rows = collections.defaultdict(collections.Counter)
    spent = collections.defaultdict(list)
    for mutant in chosen:
        result = results.get(mutant.key)
        if not result:
            continue
        fate, directory = result["fate"], mutant.file.rpartition("/")[0]
        if "seconds" in result:
            spent[fate].append(result["seconds"])
        if fate in ("alive", "unreached"):
            reason = explained(mutant, known, lines)
            if reason:
                fate = "explained"
            elif listing:
                ended = ", no time for more" if result.get("ended") else ""
                say(f"{mutant.file}:{mutant.line}: {mutant.function}: {fate} ({result['tests']} of {result.get('of', '?')} tests{ended}): "
                    f"{mutant.operator}: {mutant.before} => {mutant.after}")
                say(f"        {lines[mutant.file][mutant.line - 1].strip()}")
        rows[directory][fate] += 1
        rows[directory]["all"] += 1
    for complaint in complaints:
        say(complaint)
    say(f"{'':10}{'mutants':>9}{'sample':>8}{'killed':>8}{'timeout':>9}{'same':>6}{'alive':>7}{'unreached':>11}"
        f"{'killed or explained':>21}{'interval':>16}{'goal':>6}")
    for fate, seconds in sorted(spent.items()):
        say(f"{fate}: {sum(seconds) / len(seconds):.1f} s of tests each")
    met = not complaints
    for directory, goal in GOALS.items():
        row = rows[directory]
        good = row["killed"] + row["timeout"] + row["explained"]
        percent = 100 * good / row["all"] if row["all"] else 0
        low, high = wilson(good, row["all"])
        say(f"{directory:10}{population[directory]:>9}{row['all']:>8}{row['killed']:>8}{row['timeout']:>9}"
            f"{row['explained']:>6}{row['alive']:>7}{row['unreached']:>11}{percent:>20.1f}%"
            f"{f'{low:.1f} to {high:.1f}':>16}{goal:>6.0f}")
        met = met and (percent >= goal or not row["all"])
    return met


# ---------------------------------------------------------------- all of it


def choose(made, arguments):
    """The sample: per directory so many, by a hash of seed and mutant."""
    rank = {m.key: hashlib.sha256(f"{arguments.seed} {m.key}".encode()).digest() for m in made}
    chosen = []
    for directory in DIRECTORIES:
        here = sorted((m for m in made if m.file.startswith(directory + "/") and
                       arguments.file in m.file and arguments.function in ("", m.function) and
                       arguments.operator in ("", m.operator)), key=lambda m: rank[m.key])
        if not arguments.all:
            share = 3 / 7 if directory == "src/rmap" else 4 / 7
            here = here[:round(arguments.sample * share)]
        chosen += here
    # Mixed, so that a run that is broken off has seen some of each.
    return sorted(chosen, key=lambda m: rank[m.key])


def load():
    """What former runs have found: key -> result."""
    try:
        return json.loads(RESULTS.read_text())
    except (OSError, ValueError):
        return {}


def save(results):
    """As a whole or not at all."""
    new = RESULTS.with_suffix(".new")
    new.write_text(json.dumps(results))
    new.replace(RESULTS)


def wanted(mutant, results, tests_now, again):
    """Has it to be run (again)? Who was killed stays so as long as its function is the same."""
    result = results.get(mutant.key)
    if not result:
        return True
    return again and result["fate"] in ("alive", "unreached") and result["suite"] != tests_now


def attack_all(todo, killer, results, tests_now):
    """Runs what is to be run, with a line of progress."""
    start, last, fates = time.monotonic(), time.monotonic(), collections.Counter()
    # One more than there are processors: who has come to wait for a lock for ever needs none.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() + 1) as pool:
        jobs = {pool.submit(killer.attack, mutant): mutant for mutant in todo}
        try:
            for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
                result = dict(job.result(), suite=tests_now)
                results[jobs[job].key] = result
                fates[result["fate"]] += 1
                now = time.monotonic()
                left = (now - start) / done * (len(todo) - done)
                text = (f"{done} of {len(todo)} mutants, " +
                        ", ".join(f"{n} {fate}" for fate, n in sorted(fates.items())) +
                        f"; {left / 60:.0f} min left")
                progress(text)
                if now - last > 30:
                    last = now
                    save(results)
                    if not sys.stderr.isatty():
                        say(text)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            say("broken off; what was found is kept")
        finally:
            save(results)
    progress("")


def main():
    """Builds, traces, attacks, reports."""
    parser = argparse.ArgumentParser(description="Do the tests see machine-made mistakes in src/?")
    parser.add_argument("--sample", type=int, default=1400, help="so many mutants (1400: 600 in src/rmap, 800 in src/mm)")
    parser.add_argument("--seed", type=int, default=1, help="another sample")
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--file", default="", help="only files whose name has this in it")
    parser.add_argument("--function", default="", help="only this function")
    parser.add_argument("--operator", default="", choices=["", *maker.OPERATORS], help="only these")
    parser.add_argument("--thorough", action="store_true", help="src/mm under all designs, too")
    parser.add_argument("--budget", type=float, default=16.0,
                        help="processor time for one mutant's tests, in seconds (16); 0: all that reach it")
    parser.add_argument("--again", action="store_true", help="those that lived once more, if any test has changed")
    parser.add_argument("--report", action="store_true", help="only say what former runs have found")
    parser.add_argument("--count", action="store_true", help="only say how many mutants there are")
    arguments = parser.parse_args()
    os.nice(5)
    WORK.mkdir(exist_ok=True)
    made = copy_tree(not arguments.report and not arguments.count)
    population = collections.Counter(m.file.rpartition("/")[0] for m in made)
    if arguments.count:
        for operator, number in collections.Counter(m.operator for m in made).most_common():
            say(f"{number:>6}  {operator:11} {maker.OPERATORS[operator]}")
        return 0
    chosen, results = choose(made, arguments), load()
    tests_now = digest("src/**/*", "include/**/*", "tests/**/*.[ch]", "workloads/**/*.rmw", "port/**/*.[ch]", "tools/**/*.[ch]")
    todo = [m for m in chosen if wanted(m, results, tests_now, arguments.again)]
    if todo and not arguments.report:
        say(f"{len(made)} mutants, {len(chosen)} chosen, {len(todo)} to do; building")
        build(BUILD, ["-DRMAP_LOCKS_HEADER=test/lockdep.h"], [])
        build(WORK / "weave", ["-DRMAP_WEAVE=ON", "-DRMAP_TESTS=OFF"], ["--target", "rmap_weave"])
        build(PLAIN, [], ["--target", *(f"test_{name}" for name in PLAIN_LOCKS)])
        tests = all_tests()
        tests, reach = trace(tests, made)
        say(f"{len(reach)} tests, {sum(s for s, _ in reach.values()):.0f} s of processor time")
        weaver = WORK / "weave" / "rmap-weave"
        killer = Killer(tests, reach, weaver, trace_weaver(weaver, len(made)), arguments)
        killer.remember(made, results)
        attack_all(todo, killer, results, tests_now)
    return 0 if report(chosen, results, population, True) else 1


if __name__ == "__main__":
    sys.exit(main())
