# SPDX-License-Identifier: BSD-2-Clause
"""What a page says of the machine that its figures are of."""
import platform
import re
import subprocess


def cpu():
    try:
        with open("/proc/cpuinfo") as f:
            text = f.read()
    except OSError:
        return platform.processor() or "?"
    model = re.search(r"model name\s*: (.*)", text)
    family = re.search(r"cpu family\s*: (.*)", text)
    return "%s (family %s), %d processors" % (
        model.group(1) if model else platform.machine(), family.group(1) if family else "?",
        text.count("processor\t"))


def memory():
    with open("/proc/meminfo") as f:
        return "%.0f GiB" % (int(re.search(r"MemTotal:\s*(\d+)", f.read()).group(1)) / 1048576)


def command(*args):
    """What it prints."""
    try:
        return subprocess.run(args, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "?"
