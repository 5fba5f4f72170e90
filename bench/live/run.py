#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long `rmap who` and `rmap sharing` take, against a plain scan of all page tables, in one run.

    bench/live/run.py [BUILD]      (build)

who: a page of 1,000 relatives among 2,000 processes. sharing: 1,001 processes of 100 MiB each.
Exit code 1: an answer is wrong, or `who` took 50 ms or more.
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import time

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
RMAP, FAMILY, PLAIN = f"{BUILD}/rmap", f"{BUILD}/rmap-live-family", f"{BUILD}/rmap-live-plain"
WHO_LIMIT = 50


class Family:
    def __init__(self, relatives, strangers, mib):
        self.process = subprocess.Popen([FAMILY, str(relatives), str(strangers), str(mib)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        pid, address = self.process.stdout.readline().split()
        self.pid, self.address = int(pid), int(address, 16)

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        time.sleep(1)


def timed(*command):
    """Output, seconds, of these on a processor, and the most memory in MiB."""
    start = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[:4]}: exit code {process.returncode}")
    return output, time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def who(rounds=21):
    family = Family(1000, 1000, 8)
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    # page 0 nobody has written since; a relative asks, not the parent
    child = int(open(f"/proc/{family.pid}/task/{family.pid}/children").read().split()[500])
    inside, outside = [], []
    for _ in range(rounds):
        output, seconds, _, _ = timed(RMAP, "who", "--json", child, hex(family.address))
        answer = json.loads(output)
        if answer["found"] != 1001 or not answer["complete"]:
            sys.exit(f"who: {answer['found']} found instead of 1001")
        inside.append(answer["ms"])
        outside.append(seconds * 1000)
    plain = []
    for _ in range(3):
        output, seconds, _, _ = timed(PLAIN, "who", answer["pfn"])
        if output != "1001 found\n":
            sys.exit(f"plain who: {output}")
        plain.append(seconds * 1000)
    family.end()
    print(f"who: a page of 1,001 relatives among {processes} processes, {answer['looked_into']} looked into")
    print(f"    rmap who           {statistics.median(inside):8.1f} ms (worst of {rounds}: {max(inside):.1f}; "
          f"the whole command: {statistics.median(outside):.1f})")
    print(f"    plain scan         {statistics.median(plain):8.1f} ms")
    return statistics.median(inside) < WHO_LIMIT


def sharing():
    family = Family(1000, 0, 100)
    tree = ("--tree", family.pid)
    rows = []
    for name, more in (("rmap sharing", ()), ("  in 8 GiB of frames at a time", ("--frames", 1 << 21))):
        output, seconds, busy, mib = timed(RMAP, "sharing", "--json", *more, *tree)
        rows.append((name, seconds, busy, mib))
        total = json.loads(output)["total"]
    pids = [family.pid] + [int(pid) for pid in open(f"/proc/{family.pid}/task/{family.pid}/children").read().split()]
    output, seconds, busy, mib = timed(PLAIN, "sharing", *pids)
    rows.append(("plain scan", seconds, busy, mib))
    small = timed(RMAP, "sharing", "--json", family.pid)[3]
    family.end()
    pages = sum(total[key] for key in ("private", "within", "beyond")) // 4096
    print(f"sharing: 1,001 processes of 100 MiB, {pages:,} pages")
    for name, seconds, busy, mib in rows:
        print(f"    {name:30} {seconds:6.2f} s ({busy:.2f} s of processor time), {mib:6.1f} MiB at most")
    print(f"    rmap sharing of one of them needs {small:.1f} MiB")
    print(f"    {output.strip()}; rmap: private {total['private'] // 4096}, within {total['within'] // 4096}, "
          f"beyond {total['beyond'] // 4096}")
    words = output.replace(",", "").split()
    # libraries of other processes come and go
    close = abs(int(words[1]) - total["private"] // 4096) < 100 and abs(int(words[-1]) - total["within"] // 4096) < 100
    if not close:
        print("    the sums differ")
    return close


def main():
    if os.geteuid() != 0:
        print("skipped: frame numbers need root")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    well = who()
    well &= sharing()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
