# SPDX-License-Identifier: BSD-2-Clause
"""The tests of a build as ctest knows them, to be run one by one.

What `make coverage` and `make mutation` share: ctest runs many tests and says which failed, but gives each no
environment of its own and no limit of memory, and starting it once for a test costs more than most tests do.
"""

import dataclasses
import json
import os
import re
import resource
import signal
import subprocess
import time


@dataclasses.dataclass
class Test:
    """One ctest entry."""

    name: str
    command: list
    labels: list
    environment: dict
    folder: str
    timeout: float
    exclusive: str  # those with the same word here do not run at the same time; "" for none
    skip_code: int
    passes_with: str = ""  # what it prints decides, whatever its exit code


def tests(build, labels=None):
    """The tests of a build folder that have one of the labels, in ctest's order."""
    answer = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                            check=True, capture_output=True, text=True).stdout
    found = []
    for entry in json.loads(answer)["tests"]:
        properties = {p["name"]: p["value"] for p in entry.get("properties", ())}
        if "command" not in entry:  # its program is not built
            continue
        if labels and not set(labels) & set(properties.get("LABELS", ())):
            continue
        found.append(Test(
            name=entry["name"],
            command=entry["command"],
            labels=properties.get("LABELS", []),
            environment=dict(pair.split("=", 1) for pair in properties.get("ENVIRONMENT", ())),
            folder=properties.get("WORKING_DIRECTORY", str(build)),
            timeout=float(properties.get("TIMEOUT", 120)),
            exclusive=" ".join(properties.get("RESOURCE_LOCK", ())),
            skip_code=int(properties.get("SKIP_RETURN_CODE", 77)),
            passes_with="|".join(properties.get("PASS_REGULAR_EXPRESSION", ()))))
    return found


@dataclasses.dataclass
class Result:
    """How a test ended: "passed", "failed", "skipped" or "timeout"."""

    outcome: str
    seconds: float  # of processor time, children included
    output: bytes


def run(test, extra=None, cpu=None, wall=None, memory=None):
    """Runs a test. cpu and wall: seconds at most; memory: bytes of address space at most."""

    def limits():
        if cpu:
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + 1, int(cpu) + 2))
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Ignored where we run in the background: tests interrupt what they start, as ctest lets them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    environment = dict(os.environ, **test.environment, **(extra or {}))
    # A file, not a pipe: a process that the test leaves behind would keep a pipe open, and us waiting.
    with open(os.memfd_create("output"), "w+b") as output:
        # A session of its own, so that what the test has started is ended with it.
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            test.command, cwd=test.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=limits)
        seconds, late = wait(process, time.monotonic() + (wall or test.timeout))
        output.seek(0)
        text = output.read(1 << 20)
    code = process.returncode
    if late or code in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
        return Result("timeout", seconds, text)
    if code == test.skip_code:
        return Result("skipped", seconds, text)
    passed = re.search(test.passes_with.encode(), text) if test.passes_with else code == 0
    return Result("passed" if passed else "failed", seconds, text)


def wait(process, deadline):
    """Waits for its end, and ends it at the deadline; returns (processor time, was that needed?).

    What it has left behind is ended before it is reaped: as long as it is not, its number is nobody else's.
    """
    late, pause = False, 0.0005
    while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if not late and time.monotonic() > deadline:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
    os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, late
