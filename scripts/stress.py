#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Real threads on every design, ten minutes each, under every checker (make stress).

`rmap stress` runs with the thread sanitizer, the address and undefined sanitizers, and the locks that check their order, for each
design by itself. What has come through is kept in build/stress by its program's contents and not run again while these are the
same, so that whoever breaks off goes on later. Exit code: 0 all came through; 1 something was wrong; 2 it could not be tried.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from check import ROOT, designs, presets_with, sanitized, sanitizers

KEPT = ROOT / "build" / "stress"
PRESETS = presets_with("stress")
DESIGNS = designs()


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=600, help="for each design under each checker (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads in each (%(default)s)")
    parser.add_argument("--at-once", type=int, default=1, metavar="N",
                        help="so many programs at once, which share the processors (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for what the threads do (%(default)s)")
    parser.add_argument("--preset", action="append", choices=PRESETS, help="only this checker; may be given again")
    parser.add_argument("--design", action="append", choices=DESIGNS, help="only this design; may be given again")
    options = parser.parse_args()
    for name, value, least, most in (("at-once", options.at_once, 1, 64), ("threads", options.threads, 1, 64),
                                     ("seconds", options.seconds, 0.1, 86400)):
        if not least <= value <= most:
            parser.error(f"--{name} must be from {least} to {most}")
    return options


def build(preset):
    """Builds a preset's command; ends the program where that does not work."""
    KEPT.mkdir(parents=True, exist_ok=True)
    log = KEPT / f"{preset}-build.log"
    with open(log, "w", encoding="utf-8") as file:
        for command in (["cmake", "--preset", preset],
                        ["cmake", "--build", "--preset", preset, "-j", str(os.cpu_count() or 1), "--target", "rmap"]):
            if subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, check=False).returncode:
                print(f"{preset} does not build, see {log.relative_to(ROOT)}", file=sys.stderr)
                sys.exit(2)


class Run:
    """A design under a checker."""

    def __init__(self, preset, design, options):
        program = ROOT / f"build-{preset}" / "rmap"
        self.name = f"{preset:8}{design:16}"
        self.command = [str(program), "stress", "--designs", design, "--threads", str(options.threads),
                        "--seconds", f"{options.seconds:g}", "--seed", str(options.seed), "--json"]
        self.preset = preset
        key = hashlib.sha256(program.read_bytes() + "\0".join(self.command[1:]).encode()).hexdigest()[:16]
        self.kept = KEPT / f"{preset}-{design}-{key}.json"
        self.log = self.kept.with_suffix(".log")
        self.failed = False

    def figures(self):
        """What was kept of it, or None."""
        try:
            return json.loads(self.kept.read_text())["designs"][0]
        except (OSError, ValueError, LookupError):
            return None

    def go(self):
        """Runs it, unless it has come through before; returns a line about it."""
        before = self.figures()
        if not before:
            fresh = self.kept.with_suffix(".new")
            with open(fresh, "w", encoding="utf-8") as out, open(self.log, "w", encoding="utf-8") as log:
                code = subprocess.run(sanitized(self.preset, self.command), cwd=ROOT, stdout=out, stderr=log,
                                      env=sanitizers(), check=False).returncode
            if code:
                self.failed = True
                fresh.unlink()
                return f"{self.name} WRONG (exit {code}): {self.log.relative_to(ROOT)}"
            fresh.rename(self.kept)
            self.log.unlink()
        f = self.figures()
        return (f"{self.name} {f['operations']:>12,} operations  {f['faults']:>12,} faults  {f['walks']:>10,} walks  "
                f"{f['checks']:>6,} times checked{'  (before)' if before else ''}")


def main():
    """All of them, so many at once."""
    options = arguments()
    presets = options.preset or PRESETS
    for preset in presets:
        build(preset)
    runs = [Run(preset, design, options) for preset in presets for design in options.design or DESIGNS]
    left = sum(1 for run in runs if not run.figures())
    minutes = options.seconds * -(-left // options.at_once) / 60
    print(f"{left} of {len(runs)} to run, about {minutes:.0f} minutes", flush=True)
    done, over = [], threading.Event()

    def progress():
        while not over.wait(1):
            print(f"\r{len(done)} of {len(runs)}, {(time.monotonic() - start) / 60:.1f} minutes ", end="", flush=True)

    start = time.monotonic()
    shown = sys.stdout.isatty()
    if shown:
        threading.Thread(target=progress, daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run.go) for run in runs]):
            done.append(future)
            print(("\r" if shown else "") + future.result(), flush=True)
    over.set()
    failed = sum(run.failed for run in runs)
    print(f"{len(runs) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
