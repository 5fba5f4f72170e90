#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes a workload of a family of processes that do something at random, and whose pages are walked from now and then.

A case of the figures whose first line has `families:SHAPE,SEED` in the place of a workload is one of these. The workloads that somebody
thought of have neat families; what a reverse map keeps of a walk, makes room for, or gives back late, is decided in the others. So each
shape here leans towards one thing that is dear, and leaves the rest to the dice. (Only random() is asked of them: its numbers are
the same in every version of Python.)
"""

import random
import sys

# How often each statement comes, by shape; fork=w: from the first process, d: from the last, r: from anyone.
SHAPES = {
    # processes at most, pages of a region, regions, frames, swap, statements, how often each comes
    "wide": (150, 3, 1, 4096, 1024, 700, {"fork_w": 18, "fork_r": 2, "write": 42, "read": 3, "exit": 4, "munmap": 1, "probe": 7}),
    "deep": (60, 3, 2, 2048, 512, 600, {"fork_d": 14, "fork_r": 4, "write": 30, "read": 8, "exit": 9, "munmap": 2, "probe": 8}),
    "clan": (70, 4, 2, 2048, 512, 700, {"fork_r": 16, "write": 20, "read": 20, "exit": 9, "munmap": 2, "dontneed": 2, "mmap": 2,
                                        "reclaim": 1, "probe": 8}),
    "moves": (24, 4, 4, 2048, 512, 700, {"fork_r": 6, "write": 24, "read": 10, "exit": 4, "munmap": 1, "mmap": 9, "mremap": 14,
                                         "dontunmap": 2, "mprotect": 3, "madvise": 3, "reclaim": 1, "migrate": 5, "probe": 8}),
    "swap": (40, 6, 2, 512, 1024, 700, {"fork_r": 9, "write": 18, "read": 26, "exit": 6, "munmap": 1, "pageout": 4, "reclaim": 5,
                                        "balance": 1, "dontneed": 1, "free": 4, "swapoff": 1, "migrate": 3, "hibernate": 1, "probe": 8}),
    "tight": (20, 8, 3, 224, 192, 700, {"fork_r": 8, "write": 30, "read": 22, "exit": 4, "munmap": 1, "mmap": 3, "free": 3,
                                        "balance": 2, "mlock": 2, "probe": 6}),
    "files": (40, 6, 3, 1024, 512, 700, {"fork_r": 8, "write": 24, "read": 24, "exit": 4, "munmap": 2, "mmapfile": 10, "truncate": 2,
                                         "fsync": 3, "reclaim": 2, "mprotect": 3, "migrate": 4, "remove": 1, "mremap": 3, "pin": 2,
                                         "probe": 8}),
    "all": (40, 6, 4, 768, 512, 900, {"fork_r": 8, "fork_d": 2, "write": 24, "read": 20, "exit": 6, "munmap": 2, "mmap": 4, "mmapfile": 4,
                                      "mremap": 5, "dontunmap": 1, "mprotect": 3, "madvise": 3, "mlock": 2, "dontneed": 2, "free": 2,
                                      "pageout": 2, "reclaim": 2, "balance": 1, "swapoff": 1, "migrate": 3, "truncate": 1, "fsync": 1,
                                      "poison": 1, "exec": 1, "probe": 7}),
}
BASE, APART, ASIDE = 0x10000000, 0x1000000, 0x400000  # regions begin this far apart; what moves goes between them
FILES, FILE_PAGES = 3, 8


class Family:
    """The workload under way: its lines, and which processes there are."""

    def __init__(self, shape, seed):
        (self.most, self.pages, self.regions, frames, swap, self.steps, self.weights) = SHAPES[shape]
        self.dice = random.Random(seed)
        self.alive, self.next, self.pins = [0], 1, 0
        self.lines = [f"config frames={frames} swap={swap}"]

    def below(self, number):
        """One of 0 to number - 1."""
        return int(self.dice.random() * number)

    def say(self, line):
        """A statement that may come to an error: then that is the same every time."""
        self.lines.append(f"{line} -> any")

    def someone(self):
        """A process."""
        return self.alive[self.below(len(self.alive))]

    def start(self):
        """Where a region begins; where things move, a place behind it at times."""
        aside = self.below(5) if "mremap" in self.weights else 0
        return BASE + self.below(self.regions) * APART + (aside % 3) * ASIDE * (aside < 3)

    def page(self):
        """An address in a region."""
        return f"{self.start():#x}+{self.below(self.pages)}p"

    def part(self):
        """Some pages of a region, or all: address and length."""
        first = self.below(self.pages) if self.below(2) else 0
        return f"{self.start():#x}+{first}p", f"{self.pages - self.below(self.pages - first) - first}p"

    def fork(self, parent):
        """One more, unless it is crowded."""
        if len(self.alive) < self.most:
            self.lines.append(f"P[{self.next}] = P[{parent}] fork")
            self.alive.append(self.next)
            self.next += 1

    def exit(self):
        """One less; the first may be among them once there are others."""
        if len(self.alive) > 2:
            who = self.below(len(self.alive))
            self.lines.append(f"P[{self.alive.pop(who)}] exit")

    def step(self, what):  # pylint: disable=too-many-branches
        """One statement."""
        who = f"P[{self.someone()}]"
        address, length = self.part()
        if what in ("fork_w", "fork_d", "fork_r"):
            self.fork({"w": self.alive[0], "d": self.alive[-1], "r": self.someone()}[what[-1]])
        elif what == "exit":
            self.exit()
        elif what in ("write", "read"):
            self.say(f"{who} {what} {self.page()}" + (f" {length}" if not self.below(4) else ""))
        elif what in ("munmap", "migrate"):
            self.say(f"{who} {what} {address} {length}")
        elif what == "mmap":
            self.say(f"{who} mmap {length} rw at={address} fixed" + (" shared" if not self.below(4) else ""))
        elif what == "mmapfile":
            self.say(f"{who} mmap {length} rw at={address} fixed {('shared', 'private')[self.below(2)]} file=F{self.below(FILES)} "
                     f"offset={self.below(3)}p")
        elif what == "mremap":
            self.say(f"{who} mremap {address} {length} {1 + self.below(self.pages)}p to={self.start():#x}")
        elif what == "dontunmap":
            self.say(f"{who} mremap {address} {length} {length} maymove dontunmap")
        elif what == "mprotect":
            self.say(f"{who} mprotect {address} {length} {('r', 'rw', 'none', 'rw')[self.below(4)]}")
        elif what == "madvise":
            self.say(f"{who} madvise {address} {length} {('dontfork', 'dofork', 'sequential', 'normal', 'cold', 'willneed')[self.below(6)]}")
        elif what in ("dontneed", "free", "pageout", "remove"):
            self.say(f"{who} madvise {address} {length} {what}")
        elif what == "mlock":
            self.say(f"{who} {('mlock', 'munlock')[self.below(2)]} {address} {length}")
        elif what == "poison":
            self.say(f"{who} poison {self.page()}")
        elif what == "exec":
            self.lines.append(f"{who} exec 0x10000000 4p rw args=8K")
        elif what == "truncate":
            self.say(f"truncate F{self.below(FILES)} {1 + self.below(FILE_PAGES)}p")
        elif what == "fsync":
            self.say(f"fsync F{self.below(FILES)}")
        elif what == "reclaim":
            self.say(f"reclaim {1 + self.below(40)}")
        elif what == "swapoff":
            self.lines += ["swapoff -> any", "swapon -> any"]
        elif what == "pin":
            self.pin(who)
        elif what == "probe":
            page = self.page()
            if self.below(2):
                self.say(f"{who} read {page}")
            self.lines.append(f'probe {who} {page} ""')
        elif what == "hibernate" and not self.below(2):
            self.lines.append("hibernate")
        elif what == "balance":
            self.lines.append("balance")

    def pin(self, who):
        """Held while something else happens."""
        name = f"pin{self.pins}"
        self.pins += 1
        page = self.page()
        self.lines += [f"{who} write {page} -> any", f"{name} = {who} pin {page} write -> any"]

    def write(self):
        """All of it."""
        if "mmapfile" in self.weights:
            self.lines += [f"file F{i} {FILE_PAGES}p" + (" shmem" if i == 2 else "") for i in range(FILES)]
        self.lines.append("process P[0]")
        for region in range(self.regions):
            self.lines.append(f"P[0] mmap {self.pages}p rw at={BASE + region * APART:#x} fixed")
            self.lines.append(f"P[0] write {BASE + region * APART:#x} {self.pages}p")
        names, total = list(self.weights), sum(self.weights.values())
        for _ in range(self.steps):
            number = self.below(total)
            for name in names:
                number -= self.weights[name]
                if number < 0:
                    self.step(name)
                    break
        return "\n".join(self.lines) + "\n"


def workload(spec):
    """The text of one that is told as SHAPE,SEED."""
    shape, _, seed = spec.partition(",")
    if shape not in SHAPES or not seed.isdigit():
        sys.exit(f"families: '{spec}': a shape ({', '.join(SHAPES)}), a comma and a number are wanted")
    return Family(shape, int(seed)).write()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: families.py SHAPE,SEED")
    sys.stdout.write(workload(sys.argv[1]))
