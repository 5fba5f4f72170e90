#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# build/results/*.json to docs/results.md, and its plots by gnuplot. Called by bench/designs/run.
import glob
import json
import os
import platform
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from machine import command, cpu, memory  # noqa: E402

DIR, REPORT = sys.argv[1:3]
QUICK = "--quick" in sys.argv[3:]
ORDER = ["scan", "pte_chain", "anon_vma", "anonmm", "anon_vma_chain", "cow_context", "lineage"]
# What grows with what: the runs of a parameter's values
SWEEP = re.compile(r"(children|vmas|depth)-(\d+)")
COINCIDE = "Where curves coincide, the lowest of them in the legend covers the others."
COLOURS = ["#888888", "#b8860b", "#1f77b4", "#9467bd", "#d62728", "#2ca02c", "#000000"]
PLOTS = os.path.join(os.path.dirname(REPORT) or ".", "img")


def runs():
    """(title, name of the files, words of the command) of each run, as bench/designs/run left them."""
    with open(os.path.join(DIR, "runs")) as f:
        return [line.rstrip("\n").split("\t") for line in f]


def load(name):
    """One workload on all designs: each has a file of its own."""
    d = None
    missing = []
    for path in sorted(glob.glob(os.path.join(glob.escape(DIR), name + ".*.json"))):
        with open(path) as f:
            run = json.load(f)
        design = path.rsplit(".", 2)[1]
        if not run["result"]:
            missing.append((design, run["outcome"], run["limit"]))
            continue
        if d is None:
            d = run["result"]
        else:
            d["designs"] += run["result"]["designs"]
    if d is None:
        return None
    d["designs"].sort(key=lambda x: ORDER.index(x["name"]) if x["name"] in ORDER else 99)
    d["by_name"] = {x["name"]: x for x in d["designs"]}
    # Layouts are the VM's: each phase ends with the same VMAs under all designs.
    first = d["designs"][0]
    for x in d["designs"]:
        if x["checked"] and first["checked"] and [p["layout"] for p in x["phases"]] != [p["layout"] for p in first["phases"]]:
            x["checked"] = False
            x["message"] = "the VMAs are not those under %s" % first["name"]
    d["missing"] = missing
    return d


def matrix():
    result = []
    for title, name, words in runs():
        if SWEEP.fullmatch(title):
            continue
        d = load(name)
        if d:
            result.append((title, " ".join(words.split()[1:]), d))
    return result


def number(x):
    if x is None:
        return "–"
    if x >= 1e10:
        return "%.1fG" % (x / 1e9)
    if x >= 1e7:
        return "%.1fM" % (x / 1e6)
    if x >= 1e5:
        return "%.0fk" % (x / 1e3)
    if x >= 1e4:
        return "%.1fk" % (x / 1e3)
    if x == int(x):
        return "%d" % x
    return "%.2f" % x if x < 1000 else "%.0f" % x


def size(x):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if x < 1024 or unit == "GiB":
            return ("%.0f %s" if unit == "B" or x >= 100 else "%.1f %s") % (x, unit)
        x /= 1024


def ratio(a, b):
    return a / b if b else None


# (headline, sentence, function of a design's results, format, does less win?)
def walks_of(x):
    w = x["counts"]["walks"].values()
    found = sum(v["found"] for v in w)
    return ratio(sum(v["looks"] for v in w), found)


def instructions(x, key, per=None):
    if "instructions" not in x:
        return None
    n = x["instructions"][key]
    if per is None:
        return n
    return ratio(n, x["counts"][per])


def named(x, key):
    """Looks per PTE from the page that the workload names, at the last of its probes."""
    present = [p for p in x["probes"] if p["present"] and p["found"]]
    if not present:
        return None
    return present[-1][key] / (min(present[-1]["found"], present[-1]["mapcount"]) or 1)


TABLES = [
    ("Looks per PTE of the page that the workload names, may stop",
     "Of the last page that a generator asks for by itself: what survivors are about. A sample of all pages hardly ever meets it.",
     lambda x: named(x, "looks_stopping"), number),
    ("Looks per PTE of the page that the workload names, to the end", "", lambda x: named(x, "looks_full"), number),
    ("Looks per PTE found, second walk, mean",
     "Walks that may stop when the map count is met, from pages that were walked from before.",
     lambda x: x["looks_per_pte"]["mean"] if x["looks_per_pte"]["walks"] else None, number),
    ("Looks per PTE found, second walk, worst page", "",
     lambda x: x["looks_per_pte"]["max"] if x["looks_per_pte"]["walks"] else None, number),
    ("Looks per PTE found, to the end, mean", "Walks that must see everything.",
     lambda x: x["looks_per_pte_full"]["mean"] if x["looks_per_pte_full"]["walks"] else None, number),
    ("Looks per PTE found, to the end, worst page", "",
     lambda x: x["looks_per_pte_full"]["max"] if x["looks_per_pte_full"]["walks"] else None, number),
    ("Steps per PTE found, second walk, mean", "Nodes, chain objects and VMAs touched.",
     lambda x: x["steps_per_pte"]["mean"] if x["steps_per_pte"]["walks"] else None, number),
    ("Looks per PTE found by the VM's own walks", "Reclaim, migration, write-back; – where there were none.",
     walks_of, number),
    ("Memory of the reverse map at its peak", "Objects, and declared bytes in pages in use, VMAs, address spaces, slots.",
     lambda x: x["rmap_bytes_peak"], size),
    ("Of that, objects", "", lambda x: x["rmap_bytes"]["objects"], size),
    ("Instructions in the reverse map, per fork", "", lambda x: instructions(x, "fork", "forks"), number),
    ("Instructions in the reverse map, per fault", "", lambda x: instructions(x, "map", "faults"), number),
    ("Instructions in the reverse map, unmapping and exit, all", "", lambda x: instructions(x, "unmap"), number),
    ("Instructions in the reverse map, split, merge, move, all", "", lambda x: instructions(x, "layout"), number),
    ("Instructions in the reverse map, the VM's own walks, all", "", lambda x: instructions(x, "walk"), number),
    ("Instructions in the reverse map, everything", "", lambda x: instructions(x, "total"), number),
    ("Milliseconds in the reverse map, everything", "Of a loaded or an idle machine, as it was: instructions do not depend on that.",
     lambda x: x["ns"]["total"] / 1e6, number),
    ("Locks of a family taken", "Wider than one address space and one page; files' locks not counted.",
     lambda x: x["counts"]["locks_family"], number),
    ("Merges that the design by itself would refuse", "", lambda x: x["counts"]["merges_refused"], number),
]


def table(rows, designs, get, form):
    out = ["| workload | " + " | ".join("`%s`" % d for d in designs) + " |", "|---" * (len(designs) + 1) + "|"]
    for title, _, d in rows:
        values = []
        for name in designs:
            x = d["by_name"].get(name)
            values.append(get(x) if x and x["checked"] else None)
        known = [v for v in values if v is not None]
        if not known:
            continue
        best = min(known)
        cells = []
        for v in values:
            text = "–" if v is None else form(v)
            cells.append("**%s**" % text if v is not None and v <= best and len(set(known)) > 1 else text)
        out.append("| %s | %s |" % (title, " | ".join(cells)))
    return out if len(out) > 2 else []


def revision():
    """Of what was measured."""
    try:
        with open(os.path.join(DIR, "revision")) as f:
            return f.read().strip()
    except OSError:
        return "?"


def plot(name, title, xlabel, ylabel, series, logx=True):
    """series: design -> [(x, y)]"""
    os.makedirs(PLOTS, exist_ok=True)
    data = os.path.join(DIR, name + ".dat")
    curves = []
    with open(data, "w") as f:
        for design, points in series.items():
            points = [(x, y) for x, y in points if y is not None and y > 0]
            if not points:
                continue
            curves.append(design)
            f.write('"%s"\n' % design)
            for x, y in points:
                f.write("%g %g\n" % (x, y))
            f.write("\n\n")
    if not curves:
        return None
    out = os.path.join(PLOTS, name + ".svg")
    script = """set terminal svg size 760,420 background '#ffffff' font 'sans,12'
set output '%s'
set title '%s'
set xlabel '%s'
set ylabel '%s'
%sset logscale y
set format y '%%.0s%%c'
set key outside right top noenhanced
set grid
plot %s
""" % (out, title, xlabel, ylabel, "set logscale x\n" if logx else "", ", ".join(
        "'%s' index %d using 1:2 with linespoints lw 2 pt %d lc rgb '%s' title columnheader(1)" % (
            data, i, 4 + (ORDER.index(d) if d in ORDER else i), COLOURS[ORDER.index(d)] if d in ORDER else "#ff00ff")
        for i, d in enumerate(curves)))
    try:
        subprocess.run(["gnuplot"], input=script, text=True, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as e:
        print("report.py: no plot %s: %s" % (name, e), file=sys.stderr)
        return None
    return "img/" + name + ".svg"


def sweep(prefix, get):
    series = {}
    for title, name, _ in runs():
        m = SWEEP.fullmatch(title)
        d = load(name) if m and m.group(1) == prefix else None
        for result in d["designs"] if d else []:
            if result["checked"]:
                series.setdefault(result["name"], []).append((int(m.group(2)), get(result)))
    order = lambda n: ORDER.index(n) if n in ORDER else 99
    series = {d: series[d] for d in sorted(series, key=order)}
    return {d: sorted(p) for d, p in series.items()}


def plots():
    out = []
    for name, title, xlabel, ylabel, prefix, get in (
        ("results-looks", "Parent and children write all after the forks: looks per PTE, second walk, mean",
         "children", "looks per PTE found", "children", lambda x: x["looks_per_pte"]["mean"]),
        ("results-full", "The same, walks to the end", "children", "looks per PTE found", "children",
         lambda x: x["looks_per_pte_full"]["mean"]),
        ("results-bytes", "Memory of the reverse map, 16 pages written by each child", "children", "bytes", "children",
         lambda x: x["rmap_bytes_peak"]),
        ("results-fork", "Fork of a process of many VMAs of 2 pages", "VMAs", "instructions per fork", "vmas",
         lambda x: instructions(x, "fork", "forks")),
        ("results-objects", "Objects, 41 processes of many VMAs", "VMAs", "objects", "vmas",
         lambda x: x["objects_peak"]),
        ("results-depth", "Fork of a process of 20 VMAs, generation after generation", "generations",
         "instructions per fork", "depth", lambda x: instructions(x, "fork", "forks")),
    ):
        path = plot(name, title, xlabel, ylabel, sweep(prefix, get))
        if path:
            out += ["![%s](%s)" % (title, path), ""]
    return out


def history(rows, designs):
    """The case by which reverse maps are judged."""
    for title, _, d in rows:
        if not title.startswith("fork-cow 1000"):
            continue
        out = ["## The 1,000 × 1,000 case", "",
               "A parent of 1,000 pages forks 1,000 children; each writes all pages, then the parent does. "
               "Looks of a walk from a page, first where it may stop at the map count, then to the end.", "",
               "| | " + " | ".join("`%s`" % n for n in designs) + " |", "|---" * (len(designs) + 1) + "|"]
        probes = d["designs"][0]["probes"]
        for i, probe in enumerate(probes):
            cells = []
            for n in designs:
                x = d["by_name"].get(n)
                p = x["probes"][i] if x and i < len(x["probes"]) else None
                cells.append("%s / %s" % (number(p["looks_stopping"]), number(p["looks_full"])) if p and p["present"] else "–")
            out.append("| %s | %s |" % (probe["what"], " | ".join(cells)))
        for what, get in (
            ("mean, second walk", lambda x: number(x["looks_per_pte"]["mean"])),
            ("mean, to the end", lambda x: number(x["looks_per_pte_full"]["mean"])),
            ("worst, second walk", lambda x: number(x["looks_per_pte"]["max"])),
            ("worst, to the end", lambda x: number(x["looks_per_pte_full"]["max"])),
            ("instructions per fork", lambda x: number(instructions(x, "fork", "forks"))),
            ("memory at the peak", lambda x: size(x["rmap_bytes_peak"])),
        ):
            out.append("| %s | %s |" % (what, " | ".join(
                get(d["by_name"][n]) if n in d["by_name"] else "–" for n in designs)))
        return out + [""]
    return []


def over(rows, text, get, reference, bound, only=lambda d: True, slack=0):
    """Where lineage's figure is more than bound times the reference's."""
    bad, n, worst = [], 0, None
    for title, _, d in rows:
        x = d["by_name"].get("lineage")
        if not x or not x["checked"] or not only(d):
            continue
        a, b = get(x), reference(d)
        if a is None or b is None:
            continue
        n += 1
        r = a / b if b else (1.0 if not a else float("inf"))
        if worst is None or r > worst[0]:
            worst = (r, title)
        if a > bound * b + slack:
            bad.append("%s (%s against %s)" % (title, number(a), number(b)))
    if not n:
        return []
    return ["| %s | %s | %s | %s |" % (
        text, "holds" if not bad else "**fails** on %d of %d" % (len(bad), n),
        "%.2f × (%s)" % worst if worst[0] != float("inf") else "against nothing (%s)" % worst[1],
        "; ".join(bad) if bad else "")]


def claims(rows):
    chain = "anon_vma_chain"
    if not any("lineage" in d["by_name"] for _, _, d in rows):
        return []

    def best(get):
        def f(d):
            values = [get(x) for x in d["by_name"].values() if x["checked"]]
            values = [v for v in values if v is not None]
            return min(values) if values else None
        return f

    def of_chain(get):
        return lambda d: get(d["by_name"][chain]) if chain in d["by_name"] else None

    def many_vmas(d):
        x = d["by_name"].get(chain)
        return bool(x) and x["rmap_bytes"]["nr_vmas"] > 100 * x["rmap_bytes"]["nr_mms"]

    def forks(d):
        return many_vmas(d) and d["by_name"][chain]["counts"]["forks"] > 0

    looks = lambda x: x["looks_per_pte"]["mean"] if x["looks_per_pte"]["walks"] else None
    worst = lambda x: x["looks_per_pte"]["max"] if x["looks_per_pte"]["walks"] else None
    out = ["## `lineage` against the others", "",
           "What is claimed of it, held against the figures below, each workload by itself; *worst* is `lineage`'s figure divided by "
           "the other's. Instructions are of the design's own code: where `anon_vma_chain` does nothing at an event, anything is more.", "",
           "| claim | | worst | where it fails |", "|---|---|---|---|"]
    out += over(rows, "looks on second walks, mean: ≤ 1.1 × the best design", looks, best(looks), 1.1)
    out += over(rows, "looks on second walks, worst page: ≤ 1.1 × the best design", worst, best(worst), 1.1)
    out += over(rows, "looks from the page that a workload names: ≤ 1.1 × the best design",
                lambda x: named(x, "looks_stopping"), best(lambda x: named(x, "looks_stopping")), 1.1)
    out += over(rows, "memory ≤ 1/10 of `anon_vma_chain` where processes have over 100 VMAs",
                lambda x: x["rmap_bytes_peak"], of_chain(lambda x: x["rmap_bytes_peak"]), 0.1, many_vmas)
    out += over(rows, "the same, objects alone", lambda x: x["rmap_bytes"]["objects"],
                of_chain(lambda x: x["rmap_bytes"]["objects"]), 0.1, many_vmas)
    out += over(rows, "instructions at fork ≤ 1/10 there", lambda x: instructions(x, "fork"),
                of_chain(lambda x: instructions(x, "fork")), 0.1, forks)
    for key, what in (("fork", "fork"), ("map", "faults"), ("unmap", "unmapping and exit"),
                      ("layout", "split, merge, move"), ("walk", "the VM's own walks")):
        out += over(rows, "instructions: %s ≤ 1.1 × `anon_vma_chain`" % what, lambda x, k=key: instructions(x, k),
                    of_chain(lambda x, k=key: instructions(x, k)), 1.1)
    out += over(rows, "locks of a family: none", lambda x: x["counts"]["locks_family"], lambda d: 0, 1)
    return out + [""]


# The widest thing that a lock of a class keeps others off.
SCOPES = {
    "page": ("page lock", "PTE chain"),
    "mm": ("mmap_lock", "table_lock", "PTL", "VMA tree", "lineage"),
    "family": ("anon_vma",),
    "file": ("invalidate lock", "file map", "file pages"),
}


def locks(designs):
    out = []
    for path in sorted(glob.glob(os.path.join(DIR, "locks-?"))):
        try:
            with open(path) as f:
                d = json.load(f)
        except ValueError:
            continue
        x = {y["name"]: y["counts"].get("locks", {}) for y in d["designs"]}
        if not any(x.values()):
            continue
        out += ["`%s`:" % d["workload"], "", "| scope | class | " + " | ".join("`%s`" % n for n in designs) + " |",
                "|---" * (len(designs) + 2) + "|"]
        for scope, classes in SCOPES.items():
            for name in classes:
                values = [x.get(n, {}).get(name, 0) for n in designs]
                if any(values):
                    out.append("| %s | %s | %s |" % (scope, name, " | ".join(number(v) for v in values)))
        out.append("")
    if out:
        out = ["## Locks by scope", "",
               "Locks that the designs' own code took in events and in the VM's own walks, by class, in a build whose locks count "
               "(`cmake --preset lockdep`). What the VM holds around an event is not a design's. The class anon_vma is the lock of "
               "a whole family of VMAs or processes, but under `cow_context`: there it is that of one address space's context.", ""] + out
    return out


def indirection():
    path = os.path.join(DIR, "indirection")
    if not os.path.exists(path):
        return []
    with open(path) as f:
        d = json.load(f)
    out = ["## What the indirection costs", "",
           "Instructions of the reverse map's functions with all that they call, through a design's table and, built with "
           "`-DRMAP_ONLY_DESIGN`, directly; `%s`, by valgrind (`bench/designs/indirection`)." % d["workload"], "",
           "| | " + " | ".join("`%s`: table | direct" % n for n in d["designs"]) + " |",
           "|---" * (1 + 2 * len(d["designs"])) + "|"]
    names = list(next(iter(d["designs"].values())))
    for name in names:
        out.append("| %s | %s |" % ("all of the program" if name == "total" else "`%s`" % name, " | ".join(
            "%s | %s" % (number(x[name][0]), number(x[name][1]) if x[name][1] else "0, or in line") for x in d["designs"].values())))
    return out + [""]


def main():
    rows = matrix()
    if not rows:
        sys.exit("report.py: no results in %s" % DIR)
    designs = []
    for _, _, d in rows:
        for x in d["designs"]:
            if x["name"] not in designs:
                designs.append(x["name"])
    designs.sort(key=lambda n: ORDER.index(n) if n in ORDER else 99)
    wrong = [(t, x["name"], x.get("message", "")) for t, _, d in rows for x in d["designs"] if not x["checked"]]
    method = rows[0][2]["method"]
    out = ["# Results: every design on every workload", "",
           "Made by one command, `make results`; nothing on this page is written by hand. What the figures mean and how they are "
           "measured is in [compare.md](compare.md); **bold** is the best of a row. Any row by itself: "
           "`rmap compare --probes 100 WORKLOAD`, with the workload and options listed at the end.", "",
           "| | |", "|---|---|",
           "| processor | %s |" % cpu(), "| memory | %s |" % memory(), "| Linux | %s |" % platform.release(),
           "| compiler | %s |" % command("cc", "--version").split("\n")[0],
           "| revision | %s |" % revision(),
           "| instructions | %s |" % method["instructions"],
           "| clock | %s, less %.0f ns an event |" % (method["clock"], method["taken_off_each_event_ns"]),
           "| designs | %s |" % ", ".join("`%s`" % n for n in designs), ""]
    if QUICK:
        out += ["**A quick look: workloads are smaller than their names say.**", ""]
    checks = sum(x["counts"]["checks"] for _, _, d in rows for x in d["designs"])
    walks = sum(x["counts"]["checked_walks"] for _, _, d in rows for x in d["designs"])
    out += ["Everything was checked: %s checks of whole machines, %s walks held against the page tables. " %
            (number(checks), number(walks)) +
            ("**Wrong:**" if wrong else "Nothing was wrong under any design."), ""]
    out += ["- %s under `%s`: %s" % w for w in wrong] + ([""] if wrong else [])
    for outcome, sentence in (
        ("late", "Not within the processor time that a design was given for a workload, and so left out:"),
        ("failed", "**The command ended early**, and so these are missing:"),
    ):
        lines = ["%s: %s" % (t, ", ".join(
            "`%s`%s" % (n, " (%d s)" % limit if outcome == "late" else "") for n, o, limit in d["missing"] if o == outcome))
            for t, _, d in rows if any(o == outcome for _, o, _ in d["missing"])]
        if lines:
            out += [sentence, ""] + ["- " + x for x in lines] + [""]
    out += history(rows, designs) + claims(rows) + ["## What grows with what", "", COINCIDE, ""] + plots() + locks(designs) + indirection() + ["## All figures", ""]
    for head, sentence, get, form in TABLES:
        t = table(rows, designs, get, form)
        if t:
            out += ["### " + head, ""] + ([sentence, ""] if sentence else []) + t + [""]
    out += ["## The workloads", "", "| | `rmap compare` … | operations | processes | VMAs | pages in use |", "|---|---|---|---|---|---|"]
    for title, options, d in rows:
        x = d["designs"][0]
        out.append("| %s | `%s` | %s | %s | %s | %s |" % (
            title, (d["workload"] + " " + options).strip(), number(x["counts"]["operations"]),
            number(x["counts"]["processes_at_most"]), number(x["rmap_bytes"]["nr_vmas"]), number(x["rmap_bytes"]["nr_pages"])))
    with open(REPORT, "w") as f:
        f.write("\n".join(out) + "\n")
    print("%s: %d workloads, %d designs%s" % (REPORT, len(rows), len(designs), ", %d wrong" % len(wrong) if wrong else ""))


main()
