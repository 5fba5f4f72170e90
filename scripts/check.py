#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds and tests everything, a preset after the other, and counts.

A preset's build counts as one test, and so does each of its ctest entries. All unit tests run under
every sanitizer; what is long (records, benchmarks) or looks at the house itself runs in release
only, and what takes minutes by itself only with --long. Logs are left in build/check/. Exit code: 0 if nothing failed.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "check"
JOBS = str(os.cpu_count() or 1)
START = time.monotonic()

# preset -> the labels of the tests that run there (None: all of them)
PRESETS = {
    "release": None,
    "clang": "unit|example|house",
    "asan": "unit|scenario|cli|example|fuzz|stress|live",
    "tsan": "unit|example|stress",
    "lockdep": "unit|scenario|example|stress",
    "weave": None,
}


def presets_with(label):
    """The presets that name a label (release runs all tests, whatever theirs)."""
    return [preset for preset, labels in PRESETS.items() if labels and label in labels.split("|")]


def designs():
    """The names of all reverse maps, as the library lists them: the default first."""
    listed = (ROOT / "src" / "rmap" / "design.c").read_text().rpartition("rmap_designs[] = {")[2].partition("}")[0]
    return re.findall(r"&rmap_(\w+)", listed)


class Tally:
    """What has passed, failed and been skipped so far."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, result, output=""):
        """Counts one result: "passed", "failed" or "skipped"; what a failed one printed is kept."""
        setattr(self, result, getattr(self, result) + 1)
        if result == "failed":
            self.failures.append((name, output))

    def line(self):
        """The closing line."""
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def say(text):
    """Prints progress with the seconds since the start."""
    print(f"[{time.monotonic() - START:4.0f} s] {text}", flush=True)


def run(command, log, environment=None):
    """Runs a command with its output in a log; returns the exit code."""
    with open(log, "w", encoding="utf-8") as file:
        print("$ " + " ".join(command), file=file, flush=True)
        return subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT,
                              env=environment, check=False).returncode


def show_end(text, most):
    """Prints the last lines of a text."""
    for line in text.splitlines()[-most:]:
        print("    " + line, flush=True)


def show(log, most=60):
    """Prints the end of a log."""
    show_end(log.read_text(errors="replace"), most)


def build(preset, tally):
    """Configures and builds a preset with warnings as errors; true if that worked."""
    log = LOGS / f"{preset}-build.log"
    for command in (
            ["cmake", "--preset", preset, "-DRMAP_WERROR=ON"],
            ["cmake", "--build", "--preset", preset, "-j", JOBS]):
        if run(command, log) != 0:
            tally.add(f"{preset}: build", "failed")
            say(f"{preset}: does not build, see {log.relative_to(ROOT)}")
            show(log)
            return False
    tally.add(f"{preset}: build", "passed")
    return True


def read_results(preset, report, tally):
    """Counts a JUnit report of ctest; returns (number of tests, names of skipped ones)."""
    count, skipped = 0, []
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        count += 1
        name = f"{preset}: {case.get('name')}"
        output = case.findtext("system-out") or ""
        if case.get("status") == "run":
            tally.add(name, "passed")
        elif case.find("skipped") is not None and case.get("status") == "notrun":
            reason = case.find("skipped").get("message", "")
            reasons = [line for line in output.splitlines() if line.startswith("skipped: ")]
            # A program that could not be found or run is no skipped test.
            if reason.startswith("SKIP_RETURN_CODE"):
                tally.add(name, "skipped")
                skipped.append(f"{case.get('name')} ({(reasons or ['skipped: no reason given'])[-1]})")
            else:
                tally.add(name, "failed", output)
        else:
            tally.add(name, "failed", output)
    return count, skipped


def sanitizers():
    """The environment in which sanitizers end a program at the first mistake, and say where it is."""
    return dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1", TSAN_OPTIONS="halt_on_error=1")


def sanitized(preset, command):
    """How a preset's program is called: the thread sanitizer wants its address ranges free."""
    if preset == "tsan" and shutil.which("setarch") and subprocess.run(
            ["setarch", "-R", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return ["setarch", "-R"] + command
    return command


def test(preset, labels, tally, long):
    """Runs the tests of a preset that have one of the labels."""
    log, report = LOGS / f"{preset}-test.log", LOGS / f"{preset}-test.xml"
    report.unlink(missing_ok=True)
    command = ["ctest", "--preset", preset, "-j", JOBS, "--output-junit", str(report)]
    if long:
        command += ["-C", "Long"]
    if labels:
        command += ["-L", f"^({labels})$"]
    before = tally.passed, tally.failed
    code = run(sanitized(preset, command), log, sanitizers())
    if not report.exists():
        tally.add(f"{preset}: tests", "failed")
        say(f"{preset}: the tests cannot run")
        show(log)
        return
    count, skipped = read_results(preset, report, tally)
    failed = tally.failed - before[1]
    say(f"{preset}: {tally.passed - before[0]} of {count} tests passed")
    for reason in skipped:
        print(f"    {reason}", flush=True)
    if failed or (code != 0 and count):
        show(log, 200)
        if not failed:
            tally.add(f"{preset}: ctest", "failed")


def main():
    """Runs what was asked for, or all."""
    parser = argparse.ArgumentParser(description="Build and test everything.")
    parser.add_argument("preset", nargs="*", help="only these: " + ", ".join(PRESETS))
    parser.add_argument("--long", action="store_true", help="also what takes minutes by itself")
    options = parser.parse_args()
    for preset in options.preset:
        if preset not in PRESETS:
            parser.error(f"no preset is called '{preset}'")
    tally = Tally()
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        for preset, labels in PRESETS.items():
            if options.preset and preset not in options.preset:
                continue
            say(f"{preset}: building")
            if build(preset, tally):
                say(f"{preset}: testing")
                test(preset, labels, tally, options.long)
    except KeyboardInterrupt:
        tally.add("interrupted", "failed")
    for name, output in tally.failures:
        print(f"failed: {name}")
        show_end(output, 12) # once more, where it is not far from the end
    say("done")
    print(tally.line())
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
