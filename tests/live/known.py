#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rmap who, sharing and import against a family whose sharing is known to the page (known.c has the picture)."""
import json
import os
import subprocess
import sys
import tempfile

RMAP, KNOWN = os.environ["RMAP"], os.environ["KNOWN"]
PAGE = 4096
LATER = set(range(60, 64))


def fail(what):
    sys.exit(f"FAILED: {what}")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def expect(what, found, wanted):
    if found != wanted:
        fail(f"{what}: {found!r} instead of {wanted!r}")


def run(*args, code=0, **more):
    done = subprocess.run([RMAP, *map(str, args)], capture_output=True, text=True, **more)
    if done.returncode != code:
        fail(f"{args}: exit code {done.returncode} instead of {code}: {done.stdout}{done.stderr}")
    if "\033" in done.stdout + done.stderr:
        fail(f"{args}: an escape sequence of another process came through")
    return done.stderr if code == 2 else done.stdout


class Family:
    """The program, while it waits."""

    def __init__(self, *args, **more):
        self.process = subprocess.Popen([KNOWN, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
        self.facts = {}
        for line in self.process.stdout:
            name, _, value = line.strip().partition(" ")
            if name == "ready":
                break
            self.facts[name] = value
        else:
            fail("the known program ended early")
        self.pids = {name: int(self.facts[key]) for name, key in zip("Pabc", ("parent", "a", "b", "c"))}
        self.region, self.file, self.share, self.moved = (
            int(self.facts[key], 16) for key in ("region", "file", "share", "moved"))
        self.swapped = set(range(40, 48)) if self.facts["swapped"] == "1" else set()

    def holders(self, page, who):
        """Name -> address of all that have the page of the region that @who has there."""
        at = {name: self.region + page * PAGE for name in "Pabc"}
        if 16 <= page < 32:
            at["c"] = self.moved + (page - 16) * PAGE
        groups = ["Pabc"]
        if page < 4:
            groups = ["Pc", "a", "b"]
        elif page < 8:
            groups = ["Pbc", "a"]
        elif 32 <= page < 40:
            groups = ["Pac"]
        elif page in LATER:
            groups = ["abc", "P"]
        for group in groups:
            if who in group:
                return {name: at[name] for name in group}
        return {}

    def end(self):
        self.process.stdin.close()
        self.process.wait()


# -- who ----------------------------------------------------------------------------------------------------------------

def mappings(answer):
    return {(m["pid"], int(m["address"], 16)) for m in answer["mappings"]}


def who(family):
    for page in (0, 3, 4, 7, 8, 15, 16, 31, 32, 39, 40, 47, 48, 59, 60, 63):
        for name in "Pabc":
            holders = family.holders(page, name)
            if not holders:
                continue
            wanted = {(family.pids[other], at) for other, at in holders.items()}
            pid, address = family.pids[name], holders[name]
            more = ["--all"] if page in family.swapped else []
            answer = json.loads(run("who", "--json", *more, pid, hex(address)))
            expect(f"who has page {page} of {name}", mappings(answer), wanted)
            if page in family.swapped:
                expect("a page in swap has no frame", (answer["pfn"], answer["mapcount"]), (None, None))
                continue
            expect("map count", answer["mapcount"], len(wanted))
            expect("complete", answer["complete"], True)
            if page not in (8, 20):
                continue
            again = json.loads(run("who", "--json", "--pfn", answer["pfn"]))
            expect("who, by the frame's number", mappings(again), wanted)
    for address, offset, memory in ((family.file, 3, "/tmp/rmap-known"), (family.share, 2, "/dev/zero")):
        answer = json.loads(run("who", "--json", family.pids["b"], hex(address + offset * PAGE)))
        wanted = {(pid, address + offset * PAGE) for pid in family.pids.values()}
        expect("who maps a shared page", mappings(answer), wanted)
        expect("perms", {m["perms"] for m in answer["mappings"]}, {"rw-s"})
        expect("offset", answer["file"]["offset"], offset * PAGE)
        expect("path", answer["file"]["path"].startswith(memory), True)
    text = run("who", family.pids["a"], hex(family.region))
    expect("a name that is spelled out", "\\x1b[31mknown" in text, True)
    for page in (32, 35):
        sentence = run("who", family.pids["b"], hex(family.region + page * PAGE), code=2)
        expect("no page", "has no page at" in sentence, True)
    run("who", family.pids["b"], hex((1 << 47) - 4096), code=2)


# -- sharing ------------------------------------------------------------------------------------------------------------

def region_pages(family, names):
    """What each of the region's pages is to each of @names, when these are the group."""
    sums = {name: dict(private=0, within=0, beyond=0, swapped=0, pss=0.0, broken=0.0) for name in names}
    for page in range(64):
        for name in names:
            holders = family.holders(page, name)
            if not holders:
                continue
            mine = sums[name]
            if page in family.swapped:
                mine["swapped"] += 1
                continue
            inside = [other for other in holders if other in names]
            kind = "private" if len(holders) == 1 else "within" if len(inside) == len(holders) else "beyond"
            mine[kind] += 1
            mine["pss"] += 1 / len(holders)
            if "P" in names and "P" not in holders:
                mine["broken"] += 1 / len(inside)
    return sums


def check_sharing(family, names, answer):
    sums = region_pages(family, names)
    ranges = [(family.region, family.region + 64 * PAGE), (family.moved, family.moved + 16 * PAGE)]
    for process in answer["processes"]:
        name = next(name for name, pid in family.pids.items() if pid == process["pid"])
        found = dict.fromkeys(sums[name], 0)
        for vma in process["vmas"]:
            start = int(vma["vma"].split("-")[0], 16)
            if any(low <= start < high for low, high in ranges):
                for key in found:
                    found[key] += vma[key]
        for key in ("private", "within", "beyond", "swapped"):
            expect(f"{key} pages of {name} in {names}", found[key] // PAGE, sums[name][key])
        for key in ("pss", "broken"):  # cut to bytes, once a VMA
            if abs(found[key] - sums[name][key] * PAGE) > 8:
                fail(f"{key} of {name} in {names}: {found[key]} instead of {sums[name][key] * PAGE}")


def sharing(family):
    tree = ("--tree", family.pids["P"])
    answer = json.loads(run("sharing", "--vmas", "--json", *tree))
    expect("processes of the tree", {p["pid"] for p in answer["processes"]} - set(family.pids.values()) - KEEPERS, set())
    answer["processes"] = [p for p in answer["processes"] if p["pid"] in family.pids.values()]
    check_sharing(family, "Pabc", answer)
    # a table with room for few frames at a time, so that there are many windows
    small = json.loads(run("sharing", "--vmas", "--json", "--frames", 65536, *tree))
    small["processes"] = [p for p in small["processes"] if p["pid"] in family.pids.values()]
    check_sharing(family, "Pabc", small)
    for names in ("Pa", "abc", "c"):
        pids = [family.pids[name] for name in names]
        check_sharing(family, names, json.loads(run("sharing", "--vmas", "--json", *pids)))
    pids = list(family.pids.values())
    rollup(pids)
    rows = run("sharing", "--csv", *pids).splitlines()
    expect("columns", {len(row.split(",")) for row in rows}, {12})
    expect("rows", len(rows) > 40, True)
    for columns in ("40", "80", "200"):
        text = run("sharing", *pids, env={**os.environ, "COLUMNS": columns})
        table = text.split("\nthe group")[0]
        longest = max(map(len, table.splitlines()))
        expect("the table's width", longest <= max(int(columns), 76), True)


def rollup(pids):
    """To the page, and PSS to the KiB; but pages that others map, too, may become theirs while both are read."""
    for _ in range(100):
        done = subprocess.run([RMAP, "sharing", "--check", *map(str, pids)], capture_output=True, text=True)
        if f"all {len(pids)} processes agree" in done.stdout:
            return
    fail(f"smaps_rollup: {done.stdout[-500:]}")


def states(family, folder):
    pids = list(family.pids.values())
    before, after = f"{folder}/before.json", f"{folder}/after.json"
    run("sharing", "--save", before, *pids[1:])
    run("sharing", "--save", after, *pids)
    text = run("sharing", "--diff", before, after)
    expect("processes of two states", "processes: 3, then 4" in text, True)
    with open(f"{folder}/bad.json", "w") as file:
        file.write('{"version": 1, "total": {}, "names": 5}')
    run("sharing", "--diff", before, f"{folder}/bad.json", code=2)
    run("sharing", "--diff", before, f"{folder}/none.json", code=2)
    run("sharing", "--save", f"{folder}/nowhere/x.json", *pids, code=2)


# -- import -------------------------------------------------------------------------------------------------------------

def imported(family, folder):
    pids = family.pids
    for names in ("Pabc", "abc", "Pc", "b"):
        record = f"{folder}/{names}.rmrec"
        text = run("import", "-o", record, *(pids[name] for name in names))
        expect("what the replay shares", "are shared by the same processes" in text, True)
        expect("misfits", " 0 misfits" in text, True)
        expect("processes", f" {len(names)} process" in text, True)
    listing = run("record", "--list", f"{folder}/Pabc.rmrec")
    expect("forks", listing.count(" fork "), 4)
    expect("the move", f"mremap {family.region + 16 * PAGE:x} +10000 to {family.moved:x} " in listing, True)
    expect("to swap", "flags 15\n" in listing, bool(family.swapped))
    run("run", "--quiet", "--check", f"{folder}/Pabc.rmrec")
    run("run", "--quiet", "--check", "--design", "lineage", f"{folder}/Pabc.rmrec")
    run("import", "-o", f"{folder}/nowhere/x.rmrec", pids["P"], code=2)


# -- without rights -----------------------------------------------------------------------------------------------------

def unprivileged(folder):
    nobody = dict(user=65534, group=65534, extra_groups=[])
    try:
        family = Family(**nobody)
    except PermissionError:
        print("not tried without rights: the build cannot be reached by others")
        return
    pids = list(family.pids.values())
    sentence = run("who", pids[0], hex(family.region), code=2, **nobody)
    expect("what is missing", "CAP_SYS_ADMIN is missing" in sentence, True)
    answer = json.loads(run("sharing", "--json", "--vmas", *pids, **nobody))
    parent = next(p for p in answer["processes"] if p["pid"] == pids[0])
    region = next(v for v in parent["vmas"] if v["vma"].startswith(f"{family.region:x}-"))
    expect("private pages, without rights", region["private"], 4 * PAGE)
    expect("shared pages, without rights", region["within"], 60 * PAGE)
    expect("unknown without rights", "pss" in region or "beyond" in region, False)
    run("import", "-o", "/dev/null", *pids, code=2, **nobody)
    others = run("sharing", os.getppid(), code=2, **nobody)
    expect("others' processes", "CAP_SYS_PTRACE is missing" in others, True)
    expect("said in words", "CAP_SYS_ADMIN" in run("sharing", *pids, **nobody), True)
    family.end()


def vanishing(family):
    """A process that ends while it is looked at, or has ended, is no error of the others."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    run("sharing", gone.pid, code=2)
    run("who", gone.pid, "1000", code=2)
    for _ in range(20):
        flock = subprocess.Popen(["sh", "-c", "for i in 1 2 3 4 5 6; do sleep 0.0$i & done; wait"])
        run("sharing", "--tree", flock.pid, family.pids["P"])
        flock.wait()


def main():
    global KEEPERS
    if os.geteuid() != 0:
        skip("frame numbers need root")
    if not os.path.exists("/proc/kpagecount"):
        skip("this kernel has no /proc/kpagecount")
    family = Family(*(["--swap"] if os.environ.get("SWAP", "1") == "1" else []))
    KEEPERS = {int(line) for line in subprocess.run(["pgrep", "-P", str(family.pids["P"])], capture_output=True,
                                                    text=True).stdout.split()} - set(family.pids.values())
    if not family.swapped:
        print(f"without swap: {family.facts['why']}")
    with tempfile.TemporaryDirectory() as folder:
        who(family)
        sharing(family)
        states(family, folder)
        imported(family, folder)
        vanishing(family)
        unprivileged(folder)
    family.end()
    print("all well")


if __name__ == "__main__":
    main()
