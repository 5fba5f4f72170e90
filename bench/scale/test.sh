#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap-scale, as the tests see it: every cell and meeting is there on every design and was right; how fast is never asked.
# Usage: RMAP_SCALE=build/rmap-scale bench/scale/test.sh
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/rmap-scale.XXXXXX")
trap 'rm -rf "$dir"' EXIT

"$RMAP_SCALE" --quick --json >"$dir/json"
python3 - "$dir/json" <<'END'
import json
import math
import sys

d = json.load(open(sys.argv[1]))
assert d["interrupted"] is False
designs = {"scan", "pte_chain", "anon_vma", "anonmm", "anon_vma_chain", "cow_context", "lineage"}
shapes = {(s, v) for s in ("fault", "page_fault1", "page_fault2", "page_fault3", "mmap1", "mmap2", "fork") for v in ("process", "thread")}
shapes.add(("brk1", "process"))
cells = {(c["shape"], c["variant"], c["design"]) for c in d["cells"] if c["threads"] == 2}
assert cells == {(s, v, x) for s, v in shapes for x in designs}, cells
met = {(m["meeting"], m["design"]) for m in d["meetings"]}
assert met == {(m, x) for m in ("walk_fork", "reclaim_fault", "collapse") for x in designs}, met
for c in d["cells"]:
    assert c["done"] > 0, c
    for k in ("alone", "apart", "together", "ratio", "ratio_cpu", "control"):
        assert 0 < c[k]["low"] <= c[k]["median"] <= c[k]["high"] < math.inf, (k, c)
for m in d["meetings"]:
    assert m["apart"]["median"] > 0 and m["together"]["median"] > 0, m
    for k in ("apart_delay", "together_delay"):
        assert 0 < m[k]["median_ns"] <= m[k]["p99_ns"], (k, m)
if d["locks_measured"]:
    assert all(c["locks"]["mmap_lock"]["taken"] > 0 for c in d["cells"] if c["shape"] == "mmap1")
END

# The aims are those of cells that have one, and a table says so.
"$RMAP_SCALE" --quick --only fork/process --designs lineage >"$dir/table"
[ "$(grep -c '^lineage .*>= 0.95' "$dir/table")" = 1 ]
[ "$(grep -c '^[a-z]' "$dir/table")" = 2 ]

# Interrupted it prints what it has measured, all rounds of it, and says so. However slow this computer is: some cells, but not all.
python3 - "$RMAP_SCALE" <<'END'
import json
import signal
import subprocess
import sys

def interrupted(number, delay):
    """=> how many cells there are"""
    with subprocess.Popen([sys.argv[1], "--json", "--pages", "64", "--rounds", "3"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as run:
        try:
            run.wait(delay)
            sys.exit("rmap-scale is too fast for this test")
        except subprocess.TimeoutExpired:
            run.send_signal(number)
        out, err = run.communicate()
    if run.returncode == -number:  # it was not even at its beginning
        return 0
    d = json.loads(out)
    assert run.returncode == 1 and d["interrupted"] is True, (run.returncode, out)
    assert err == "rmap-scale: interrupted behind %d cells and 0 meetings\n" % len(d["cells"]), err
    assert all(len(c["ratio"]["rounds"]) == 3 for c in d["cells"]), out
    return len(d["cells"])


for number in (signal.SIGINT, signal.SIGTERM):
    delay = 0.5
    while not interrupted(number, delay):
        delay *= 2
END

# What cannot be used is one sentence.
for wrong in "--only nothing" "--only fork/nothing" "--only brk1/thread" "--designs nothing" "--designs scan,scan" "--threads 0" \
	"--threads 2,x" "--threads 1,1,1,1,1,1,1,1,1" "--rounds 100" "--slice 0" "--pages -1" "word"; do
	code=0
	# shellcheck disable=SC2086 # an option and its value
	"$RMAP_SCALE" --quick $wrong >"$dir/out" 2>"$dir/err" || code=$?
	if [ $code != 2 ] || [ -s "$dir/out" ] || [ "$(wc -l <"$dir/err")" != 1 ]; then
		echo "rmap-scale $wrong: exit code $code, said:" >&2
		cat "$dir/err" >&2
		exit 1
	fi
done
