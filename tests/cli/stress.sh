#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap stress from outside: help, bad input, figures, and a few seconds of it on every design. In builds with sanitizers or checking
# locks this is where real threads meet them all at once.
. "$(dirname "$0")/common.sh"

expect_code 0 "$rmap" stress --help
grep -q -- --threads "$dir/out" || fail "no --threads in the help"
for bad in --threads=0 --threads=65 --threads=many --seconds=0 --seconds=-1 --seconds=nan --designs= \
	--designs=lineage,none --designs=lineage,lineage --seed=-1 --oom=0 --oom=1 --oom=some \
	--device-delay=0 --device-delay=1000001 --device-delay= something; do
	expect_code 2 "$rmap" stress "$bad"
done

expect_code 0 "$rmap" stress --threads 1 --seconds 0.2 --designs anon_vma_chain
grep -q 'anon_vma_chain.*nothing wrong' "$dir/out" || fail "no verdict: $(cat "$dir/out")"

# Objects that are refused, and disks that take their time.
expect_code 0 "$rmap" stress --threads 3 --seconds 2.8 --oom 30 --device-delay 50 --json
python3 - "$dir/out" <<'EOF' || fail "the figures: $(cat "$dir/out")"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["result"] == "ok" and d["oom"] == 30 and d["device_delay_us"] == 50
for x in d["designs"]:
    assert x["result"] == "ok" and x["objects_refused"] > 0 and x["refused"] > 0, x
EOF

expect_code 0 "$rmap" stress --threads 4 --seconds 4 --json
[ ! -s "$dir/err" ] || fail "it speaks: $(cat "$dir/err")"
python3 - "$dir/out" <<'EOF' || fail "the figures: $(cat "$dir/out")"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["result"] == "ok" and d["threads"] == 4 and d["seed"] == 1
assert len({x["design"] for x in d["designs"]}) == 7
for x in d["designs"]:
    assert x["result"] == "ok" and x["checks"] >= 2 and x["operations"] > 0, x
    assert x["faults"] > x["fault_mmap_lock"] > 0 and x["verified_pages"] > 0, x
EOF
