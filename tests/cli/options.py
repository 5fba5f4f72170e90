#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whatever stands on a command line, rmap carries it out, or says in a sentence why not, with exit code 2.

Options are those that each command's --help names. First each of them alone with each argument that nobody would mean, or with none;
then random lines of several, repeated, cut off, and with words that are none. A line may be carried out, and take its time: then
it is ended by a signal of ours, and must end at it. Wrong is: another signal, an exit code above 2, exit code 2 without a sentence, or a
sentence of an assertion or a sanitizer. Files that options name are made in the current folder.

usage: options.py RMAP SEED LINES
"""

import concurrent.futures
import os
import random
import re
import signal
import subprocess
import sys
import tempfile

RMAP, SEED, LINES = os.path.abspath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
# What is written goes nowhere else.
SCRATCH = tempfile.TemporaryDirectory()
os.chdir(SCRATCH.name)
PATIENCE = 3.0  # seconds that a line may take
OPTION = re.compile(r"^\s+(?:-(\w)(?:, )?)?(?:\s*--([\w-]+)(\[?=\S+)?)?")
# What each command does quickly with no option; those that need a process get one that is ours.
SELF = str(os.getpid())
WORDS = {
    "run": ["fork-cow:children=2,pages=2"], "compare": ["fork-cow:children=2,pages=2"],
    "draw": ["fork-cow:children=2,pages=2"], "verify": ["none.rmw"], "record": ["--", "true"],
    "who": [SELF, "0x1000"], "sharing": [SELF], "import": [SELF], "breaks": ["--", "true"],
    "stress": [], "bugs": [],
}
# The museum is a program of its own, which not every build has.
if not os.path.exists(os.path.join(os.path.dirname(RMAP), "rmap-museum")):
    del WORDS["bugs"]
ARGUMENTS = [
    "", " ", "-", "--", "-1", "0", "1", "2", "00000000000000000000001", "18446744073709551615", "18446744073709551616",
    "-9223372036854775809", "0x10", "0x", "1e9", "1e999", "nan", "inf", "-inf", "1.5", ".", "1,2", ",", ",,", "a,b",
    "lineage,", "1p", "1T", "99999999T", "25%", "0%", "101%", "-1%", "%", "%n%n%n%s%s", "x" * 5000, "1" * 400, "\x01\x02",
    "\udcff\udcfe", "Größe", "'\"`$(", "..", "/", "/dev/null", "/proc/self/mem", "none/of/it", "*", "[", "(", "(((((((((", "a{1000}{1000}",
    "1..2", "2..1", "1:2", "=", "==", "\n", "a\nb", "6.1", "6.18", "7.0", "6.", "self", "4294967297",
]
# Those would carry out more than a line of a test should, or follow for ever; their arguments are tried all the same.
BRIEF = {"stress": ["--seconds=0.1", "--designs=lineage"], "bugs": ["--list"], "verify": ["--list"]}


def options_of(command):
    """=> (option, takes an argument) of all that its --help names."""
    text = subprocess.run([RMAP, command, "--help"], capture_output=True, text=True, check=True).stdout
    found = []
    for line in text.splitlines():
        match = OPTION.match(line)
        if not match or not line.lstrip().startswith("-"):
            continue
        short, name, argument = match.groups()
        if name:
            found.append((f"--{name}", bool(argument)))
        if short:
            found.append((f"-{short}", bool(argument)))
    return [o for o in found if o[0] not in ("-?", "--help", "--usage")]


def run(line):
    """=> what is wrong, or None."""
    line = [w.replace("\0", "") for w in line]
    with subprocess.Popen([RMAP, *line], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, start_new_session=True) as child:
        ended = False
        try:
            said = child.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            ended = True
            os.killpg(child.pid, signal.SIGTERM)
            try:
                said = child.communicate(timeout=20)[1]
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
                return "does not end, not at SIGTERM either"
    text = said.decode(errors="replace")
    if re.search(r"assertion|sanitizer|runtime error", text, re.I):
        return text[:500]
    if ended:
        return None
    if child.returncode not in (0, 1, 2):
        return f"exit code {child.returncode}: {text[:300]}"
    if child.returncode == 2 and not re.search(r"^(rmap|Try|Usage)", text, re.M):
        return f"no sentence: {text[:300]}"
    return None


def each_alone(command, options):
    """Each option with each argument."""
    for option, takes in options:
        for argument in ARGUMENTS:
            joined = f"{option}={argument}" if option.startswith("--") else option + argument
            yield [command, *BRIEF.get(command, []), joined, *WORDS[command]]
        yield [command, *BRIEF.get(command, []), option]
        if takes:
            yield [command, *BRIEF.get(command, []), option, *WORDS[command]]


def at_random(draw, command, options):
    """Several of them."""
    line = []
    for _ in range(draw.randint(1, 6)):
        option, takes = draw.choice(options)
        kind = draw.randrange(8)
        if kind == 0:
            option = option[:draw.randint(1, len(option))]
        if kind == 1:
            line.append(draw.choice(ARGUMENTS))
        elif kind == 2 or not takes:
            line.append(option)
        elif kind < 5:
            line += [option, draw.choice(ARGUMENTS)]
        else:
            line.append(f"{option}={draw.choice(ARGUMENTS)}")
    words = WORDS[command] if draw.randrange(4) else draw.sample(ARGUMENTS, draw.randint(0, 3))
    return [command, *line, *BRIEF.get(command, []), *words]


def main():
    """Tries them, and says which are wrong."""
    draw = random.Random(SEED)
    lines = []
    for command in WORDS:
        options = options_of(command)
        assert len(options) > 2, command
        lines += each_alone(command, options)
        lines += [at_random(draw, command, options) for _ in range(LINES // len(WORDS))]
    # A share of them: all is thousands of processes.
    if LINES < 10000:
        lines = draw.sample(lines, min(len(lines), 2 * LINES))
    lines += [[], [""], ["-"], ["--"], ["--nonsense"], ["nonsense"], ["x" * 5000], ["run", "run"], ["--help", "run"]]
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for line, what in zip(lines, pool.map(run, lines)):
            if what:
                wrong += 1
                print(f"rmap {' '.join(w[:60] for w in line)!r}: {what}".encode(errors="replace").decode())
    print(f"{len(lines)} lines, {wrong} wrong")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
