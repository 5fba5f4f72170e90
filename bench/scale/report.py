#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# bench/scale/scaling.md with the figures of build/scale put in where it has <!-- figures: NAME -->, and plots by gnuplot. Called by
# bench/scale/run.
import json
import os
import platform
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from machine import command, cpu  # noqa: E402

DIR, TEXT, PAGE = sys.argv[1:4]
PLOTS = os.path.join(os.path.dirname(PAGE) or ".", "img")
ORDER = ["scan", "pte_chain", "anon_vma", "anonmm", "anon_vma_chain", "cow_context", "lineage"]
COLOURS = ["#888888", "#b8860b", "#1f77b4", "#9467bd", "#d62728", "#2ca02c", "#000000"]


def load(name):
    with open(os.path.join(DIR, name)) as f:
        return json.load(f)


def words(name):
    with open(os.path.join(DIR, name)) as f:
        return f.read().strip()


SPEED, LOCKS = load("speed"), load("locks")
DESIGNS = [d for d in ORDER if any(c["design"] == d for c in SPEED["cells"] + SPEED["meetings"])]


def of_design(rows):
    return {r["design"]: r for r in rows}


def cells(data=SPEED):
    """(shape, variant, threads) -> design -> cell, in the order in which they were measured."""
    out = {}
    for c in data["cells"]:
        out.setdefault((c["shape"], c["variant"], c["threads"]), {})[c["design"]] = c
    return out


def meetings(name, data=SPEED):
    """relatives -> design -> meeting"""
    out = {}
    for m in data["meetings"]:
        if m["meeting"] == name:
            out.setdefault(m["relatives"], {})[m["design"]] = m
    return out


def number(x):
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if x >= limit:
            return "%.3g%s" % (x / limit, unit) if x / limit < 1000 else "%.0f%s" % (x / limit, unit)
    return "%.0f" % x if x >= 100 else "%.1f" % x if x >= 10 else "%.2f" % x if x else "0"


def time(ns):
    for limit, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= limit:
            return "%.3g %s" % (ns / limit, unit)
    return "%.0f ns" % ns


def spread(s):
    return "%.2f (%.2f–%.2f)" % (s["median"], s["low"], s["high"])


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"] + ["| " + " | ".join(r) + " |" for r in rows] + [""]


def by_design(title, rows):
    """rows: (words, function of a design's result or None) over designs in columns"""
    return table([title] + ["`%s`" % d for d in DESIGNS], rows)


# ---------------------------------------------------------------- the machine

def median(values):
    values = sorted(values)
    return values[len(values) // 2] if len(values) % 2 else sum(values[len(values) // 2 - 1:len(values) // 2 + 1]) / 2


def longer():
    """The slices that are longer than the others, in words."""
    names = {}
    for x in SPEED["cells"] + SPEED["meetings"]:
        if x.get("slices_longer", 1) > 1:
            names.setdefault(x["slices_longer"], {})["`%s`" % x.get("shape", x.get("meeting"))] = True
    return "".join(", %d times as long for %s" % (n, ", ".join(of)) for n, of in sorted(names.items()))


def machine():
    controls = [c["control"] for c in SPEED["cells"]]
    rows = [["processor", cpu()], ["Linux", platform.release()], ["compiler", command("cc", "--version").split("\n")[0]],
            ["revision", words("revision")],
            ["commands", "`%s`, `%s`" % (words("speed.command"), words("locks.command"))],
            ["rounds", "%d of 4 slices of %.0f ms each%s; with locks that measure %d" % (
                SPEED["rounds"], SPEED["slice_ns"] / 1e6, longer(), LOCKS["rounds"])],
            ["frames", "with contents" if SPEED["contents"] else "phantoms"],
            ["load when it began", "%s, %s" % (words("speed.load"), words("locks.load"))]]
    if controls:
        rows.append(["apart against apart", "median %.3f; half of a cell's rounds within ±%.3f (median over the cells)" % (
            median([c["median"] for c in controls]), median([(c["high"] - c["low"]) / 2 for c in controls]))])
    busy = bool(controls) and median([(c["high"] - c["low"]) / 2 for c in controls]) > 0.1
    interrupted = [name for name, data in (("speeds", SPEED), ("locks", LOCKS)) if data.get("interrupted")]
    return (["**This page is incomplete**: the measurement of %s was interrupted." % " and ".join(interrupted), ""]
            if interrupted else []) + table(["", ""], rows) + (["**The machine was busy with other things**: see the last line. Of the ratios only those by "
                                     "processor time mean much, and longest delays mean nothing.", ""] if busy else [])


# ---------------------------------------------------------------- shapes

def aims():
    rows = []
    for (shape, variant, threads), designs in cells().items():
        if not any("aim" in c for c in designs.values()):
            continue
        row = ["%s, %s, %d threads" % (shape, variant, threads)]
        for d in DESIGNS:
            c = designs.get(d)
            if not c:
                row.append("–")
                continue
            text = "%s, %.2f" % (spread(c["ratio"]), c["ratio_cpu"]["median"])
            row.append("**%s**" % text if c["ratio"]["median"] < c["aim"] else text)
        rows.append(row)
    aimed = [c for c in SPEED["cells"] if "aim" in c]
    if not aimed:
        return []
    met = sum(c["ratio"]["median"] >= c["aim"] for c in aimed)
    least = min(c["ratio_cpu"]["median"] for c in aimed)
    return ["%d of %d cells do ≥ 0.95 of what separate engines do; those that do not are bold. "
            "Behind the comma: the same by processor time; the least of these is %.2f." % (met, len(aimed), least), ""] + \
        by_design("together ÷ apart", rows)


def others():
    rows = []
    for (shape, variant, threads), designs in cells().items():
        if any("aim" in c for c in designs.values()):
            continue
        rows.append(["%s, %s, %d threads" % (shape, variant, threads)] +
                    [spread(designs[d]["ratio"]) if d in designs else "–" for d in DESIGNS])
    return by_design("together ÷ apart", rows)


def speeds():
    out = []
    for variant in ("process", "thread"):
        rows = []
        for (shape, v, threads), designs in cells().items():
            if v != variant:
                continue
            unit = next(iter(designs.values()))["unit"]
            rows.append(["%s, %d threads: %s a second" % (shape, threads, unit)] + [
                " / ".join(number(designs[d][k]["median"]) for k in ("alone", "apart", "together")) if d in designs else "–"
                for d in DESIGNS])
        if rows:
            out += by_design("%s: alone / apart / together" % variant, rows)
    return out


def lock_rows(get, done):
    """get: design -> locks or None; done: design -> operations. A row a class: taken, and waited, for each operation"""
    names = []
    for d in DESIGNS:
        names += [n for n in get(d) or {} if n not in names]
    rows = []
    for name in names:
        row, worth = [name], False
        for d in DESIGNS:
            x = (get(d) or {}).get(name)
            if not x or not done(d):
                row.append("–")
                continue
            taken = x["taken"] / done(d)
            worth = worth or taken >= 0.01 or x["wait_ns"] / done(d) >= 1
            row.append("%s × %s, %.2g %%, %s" % (
                number(taken), time(x["hold_ns"] / x["taken"]), 100 * x["contended"] / x["taken"], time(x["wait_ns"] / done(d))))
        if worth:
            rows.append(row)
    return rows


def locks():
    out = []
    for (shape, variant, threads), designs in cells(LOCKS).items():
        if shape not in ("page_fault1", "page_fault3", "mmap1", "fork"):
            continue
        unit = next(iter(designs.values()))["unit"]
        out += ["%s, %s, %d threads, for each of the %s:" % (shape, variant, threads, unit), ""]
        out += by_design("lock", lock_rows(lambda d: designs[d]["locks"] if d in designs else None,
                                           lambda d: designs[d]["done"] if d in designs else 0))
    return out


# ---------------------------------------------------------------- meetings

def delays(m):
    return lambda k: "%s → %s" % (time(m["apart_delay"][k]), time(m["together_delay"][k]))


def meeting(name, looks=False):
    out = []
    for relatives, designs in meetings(name).items():
        some = next(iter(designs.values()))
        unit, other = some["unit"], some["other_unit"]
        rows = []

        def row(title, get):
            rows.append([title] + [get(designs[d]) if d in designs else "–" for d in DESIGNS])

        row("%s a second, without → with" % unit,
            lambda m: "%s → %s" % (number(m["apart"]["median"]), number(m["together"]["median"])))
        row("with ÷ without", lambda m: spread(m["ratio"]))
        for k, text in (("median_ns", "median"), ("p99_ns", "99 %"), ("longest_ns", "longest")):
            row("one of them takes, %s" % text, lambda m, key=k: delays(m)(key))
        row("%s a second" % other, lambda m: number(m["other_together"]["median"]) if not m["other_apart"]["median"] else
            "%s → %s" % (number(m["other_apart"]["median"]), number(m["other_together"]["median"])))
        if looks:
            row("looks for each page reclaimed", lambda m: number(m["looks_per_page"]))
        head = "%s relatives" % format(relatives, ",") if relatives > 2 else ""
        out += by_design(head, rows)
    return out


def waits(name):
    """Where the first thread and the second wait for locks, as part of the time."""
    out = []
    for relatives, designs in meetings(name, LOCKS).items():
        rows = {}
        for who, key in (("the first", "locks"), ("the second", "other_locks")):
            for d, m in designs.items():
                for lock, x in m[key].items():
                    if x["wait_ns"] > 0:
                        rows.setdefault((who, lock), {})[d] = "%s (%s)" % (time(x["wait_ns"] / x["contended"]), time(x["longest_wait_ns"]))
        rows = [["%s: %s" % k] + [v.get(d, "–") for d in DESIGNS] for k, v in rows.items()]
        if rows:
            out += by_design("%s relatives: a wait, mean (longest)" % format(relatives, ","), rows)
    return out


# ---------------------------------------------------------------- plots

def gnuplot(name, script):
    os.makedirs(PLOTS, exist_ok=True)
    out = os.path.join(PLOTS, name + ".svg")
    try:
        subprocess.run(["gnuplot"], input="set terminal svg size 760,420 background '#ffffff' font 'sans,12'\nset output '%s'\n"
                       "set key outside right top noenhanced\nset grid\n%s" % (out, script),
                       text=True, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as e:
        sys.exit("report.py: no plot %s: %s" % (name, getattr(e, "stderr", "") or e))
    return "img/" + name + ".svg"


def curves(name, title, ylabel, get):
    """Over the number of relatives in the collapse, a curve a design."""
    data = os.path.join(DIR, name + ".dat")
    shown = []
    with open(data, "w") as f:
        for d in DESIGNS:
            points = [(n, get(designs[d])) for n, designs in meetings("collapse").items() if d in designs]
            points = [(x, y) for x, y in points if y > 0]
            if points:
                shown.append(d)
                f.write('"%s"\n%s\n\n\n' % (d, "\n".join("%g %g" % p for p in points)))
    if not shown:
        return []
    path = gnuplot(name, "set title '%s'\nset xlabel 'relatives'\nset ylabel '%s'\nset logscale xy\nset format y '%%.0s%%c'\nplot %s\n" % (
        title, ylabel, ", ".join(
            "'%s' index %d using 1:2 with linespoints lw 2 pt %d lc rgb '%s' title columnheader(1)" % (
                data, i, 4 + ORDER.index(d), COLOURS[ORDER.index(d)]) for i, d in enumerate(shown))))
    return ["![%s](%s)" % (title, path), ""]


def bars(name, title, ylabel, rows, line=None, log=False):
    """rows: (words, design -> figure or None); a cluster of bars a row"""
    data = os.path.join(DIR, name + ".dat")
    with open(data, "w") as f:
        for text, get in rows:
            f.write('"%s" %s\n' % (text, " ".join("?" if get(d) is None else "%g" % get(d) for d in DESIGNS)))
    script = ("set datafile missing '?'\nset title '%s'\nset ylabel '%s'\nset style data histograms\nset style fill solid 0.9\n"
              "set style histogram clustered gap 1\nset xtics rotate by -30 noenhanced\nset grid xtics\n" % (title, ylabel))
    script += "set logscale y\nset format y '%.0s%c'\n" if log else "set yrange [0:*]\n"
    plots = ["'%s' using %d:xtic(1) lc rgb '%s' title '%s'" % (data, i + 2, COLOURS[ORDER.index(d)], d) for i, d in enumerate(DESIGNS)]
    if line:
        plots.append("%g with lines lw 2 lc rgb '#ff7f0e' title '%g'" % (line, line))
    return ["![%s](%s)" % (title, gnuplot(name, script + "plot " + ", ".join(plots) + "\n")), ""]


def plot_ratios():
    threads = min((c["threads"] for c in SPEED["cells"] if c["threads"] > 1), default=0)
    rows = []
    for (shape, variant, n), designs in cells().items():
        if n == threads:
            rows.append(("%s %s" % (shape, variant),
                         lambda d, x=designs: x[d]["ratio"]["median"] if d in x else None))
    return bars("scaling-ratios", "%d threads on one engine to %d engines side by side" % (threads, threads), "together / apart",
                rows, line=0.95) if rows else []


def plot_walk():
    out = []
    for designs in meetings("walk_fork").values():
        out += bars("scaling-walk", "A member of a family forks while a page of it is walked for", "forks a second",
                    [("no walker", lambda d, x=designs: x[d]["apart"]["median"] if d in x else None),
                     ("a walker", lambda d, x=designs: x[d]["together"]["median"] if d in x else None)], log=True)
    return out


def plot_collapse():
    return curves("scaling-collapse", "Pages reclaimed while relatives fork, write and exit", "pages a second of reclaim",
                  lambda m: m["other_together"]["median"]) + \
        curves("scaling-looks", "The same: page table entries looked at for each page reclaimed", "looks",
               lambda m: m["looks_per_page"]) + \
        curves("scaling-forks", "The same: forks, with what the children write", "forks a second",
               lambda m: m["together"]["median"])


FIGURES = {
    "machine": machine,
    "aims": aims,
    "others": others,
    "speeds": speeds,
    "locks": locks,
    "ratios": plot_ratios,
    "walk_fork": lambda: plot_walk() + meeting("walk_fork"),
    "walk_fork_waits": lambda: waits("walk_fork"),
    "reclaim_fault": lambda: meeting("reclaim_fault", looks=True),
    "reclaim_fault_waits": lambda: waits("reclaim_fault"),
    "collapse": lambda: plot_collapse() + meeting("collapse", looks=True),
    "collapse_waits": lambda: waits("collapse"),
    "off": lambda: ["%.0f ns are taken off each hold." % LOCKS["taken_off_each_hold_ns"], ""],
}


def main():
    with open(TEXT) as f:
        text = f.read()
    used = set()

    def put(match):
        used.add(match.group(1))
        return "\n".join(FIGURES[match.group(1)]()).rstrip("\n")

    text = re.sub(r"<!-- figures: (\w+) -->", put, text)
    if used != set(FIGURES):
        sys.exit("report.py: %s has no place for %s" % (TEXT, ", ".join(sorted(set(FIGURES) - used))))
    with open(PAGE, "w") as f:
        f.write(text)
    print("%s: %d cells, %d meetings" % (PAGE, len(SPEED["cells"]), len(SPEED["meetings"])))


main()
