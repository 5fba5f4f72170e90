#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap compare from outside: exit codes, sentences for bad input, the table, CSV, JSON, and the figures that the field knows.
. "$(dirname "$0")/common.sh"
source=${SOURCE:?}
# json EXPRESSION: true of the comparison d in $dir/out; n has its designs by name
json() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
n = {x["name"]: x for x in d["designs"]}
assert eval("(" + sys.argv[2] + ")"), sys.argv[2]' "$dir/out" "$1" || fail "not so: $1"
}

# -- wrong command lines
expect_code 0 "$rmap" compare --help
shows 'designs'
expect_code 2 "$rmap" compare
says 'a workload is missing'
expect_code 2 "$rmap" compare a b
expect_code 2 "$rmap" compare fork-bomb
says 'no such generator'
expect_code 2 "$rmap" compare --designs best fork-cow
says "there is no design 'best' (there are anon_vma_chain"
expect_code 2 "$rmap" compare --designs anon_vma_chain,anon_vma_chain fork-cow
says 'twice'
expect_code 2 "$rmap" compare --designs "" fork-cow
expect_code 2 "$rmap" compare --probes x fork-cow
expect_code 2 "$rmap" compare --check 0 fork-cow
expect_code 2 "$rmap" compare --json --csv fork-cow
says 'exclude each other'
expect_code 2 "$rmap" compare --frames 3 fork-cow
expect_code 2 "$rmap" compare --frames 0% fork-cow
says 'from 1% to 1000%'
expect_code 2 "$rmap" compare --frames 50% "$dir/none.rmw"
expect_code 2 "$rmap" compare "$dir/none.rmw"
expect_code 2 "$rmap" compare survivors:which=best
says 'which must be one of oldest, newest, spread'
expect_code 2 "$rmap" compare survivors:which=
expect_code 2 "$rmap" compare survivors:left=x
printf 'process P\nP mmap 1p rw\nP munmap heap 1p\n' >"$dir/syntax.rmw"
expect_code 2 "$rmap" compare "$dir/syntax.rmw"
says "syntax.rmw:3: expected an address"

# -- what is wrong under a design is said, and all is printed
printf 'process P\nP mmap 1p rw\nexpect stat P map_count=7\n' >"$dir/wrong.rmw"
expect_code 1 "$rmap" compare --json --designs anon_vma_chain "$dir/wrong.rmw"
says 'on anon_vma_chain: .*wrong.rmw:3: expect stat: expected map_count = 7, found 1'
json 'not d["designs"][0]["checked"] and "map_count" in d["designs"][0]["message"]'

expect_code 1 "$rmap" compare --frames 50% "$dir/wrong.rmw"
says 'before --frames 50%: .*wrong.rmw:3'
[ ! -s "$dir/out" ] || fail "a table without a run"

# -- sizes mean what they mean to rmap run
for size in 700 700p 2800K; do
	expect_code 0 "$rmap" compare --json --designs anon_vma_chain --swap "$size" fork-cow:children=3,pages=3
	json 'd["swap_slots"] == 700'
done
expect_code 0 "$rmap" run --json --frames 25% fork-cow:children=40,pages=400
frames=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["frames"])' "$dir/out")
expect_code 0 "$rmap" compare --json --designs anon_vma_chain,anon_vma --frames 25% fork-cow:children=40,pages=400
json "d['frames'] == $frames > 1000"

# -- the table
expect_code 0 "$rmap" compare fork-cow:children=20,pages=50
shows 'checked, nothing wrong .*yes'
shows 'each child writes all'
shows "a child's page"
! grep -q ' NO' "$dir/out" || fail "a design is wrong: $(cat "$dir/out")"

shows "^  the parent's page, written after the forks$"

# -- what is equal to the best is marked, too
expect_code 0 "$rmap" compare --designs scan,pte_chain,anon_vma,anonmm fork-cow:children=3,pages=3
grep -A9 'locks taken' "$dir/out" | grep -q 'of a family .* 0\* .* 0\*' || fail "only one of two equals is marked: $(cat "$dir/out")"

# -- large figures of a phase are written as those of the rows
expect_code 0 "$rmap" compare --phantom --probes 20 --designs scan fork-cow:children=60,pages=400
shows '^  each child writes all  *[0-9]*,[0-9][0-9][0-9] *$'

# -- CSV: as many fields in each line
expect_code 0 "$rmap" compare --csv --phantom --probes 20 fork-cow:children=5,pages=5
python3 - "$dir/out" <<'END'
import csv, sys
rows = list(csv.reader(open(sys.argv[1])))
assert len(rows) >= 2 and all(len(r) == len(rows[0]) for r in rows), rows
assert rows[0][:3] == ["workload", "design", "checked"] and "rmap_bytes_peak" in rows[0]
assert all(r[2] == "true" for r in rows[1:])
END

# -- JSON, and the case that the field knows
expect_code 0 "$rmap" compare --json --phantom --probes 150 fork-cow:children=100,pages=20
json 'all(x["checked"] and x["counts"]["missed_walks"] == 0 for x in d["designs"])'
json 'all(k in x for x in d["designs"] for k in ("looks_per_pte", "looks_per_pte_full", "steps_per_pte",
	"rmap_bytes_peak", "objects_peak", "ns", "counts"))'
json 'all(set(("mean", "p99", "max")) <= set(x["looks_per_pte"]) for x in d["designs"])'
json 'all(set(("fork", "map", "unmap", "walk", "total")) <= set(x["ns"]) for x in d["designs"])'
json 'n["anon_vma_chain"]["looks_per_pte"]["max"] == 1 and n["anon_vma_chain"]["looks_per_pte_full"]["max"] == 101'
json 'n["anon_vma_chain"]["counts"]["faults"] == n["anon_vma_chain"]["counts"]["events"]["page_new"]["pages"] +
	n["anon_vma_chain"]["counts"]["cow_reuses"]'
json 'all(x["rmap_bytes_peak"] == sum(x["rmap_bytes"][k] for k in ("objects", "page", "vma", "mm", "slot"))
	for x in d["designs"])'
# Locks by scope: of pages that several map, when they are forked (2,000 PTEs) and when a copy takes the place of each; a family's; of address
# spaces only, and few. Probes and checks take none.
json '"pte_chain" not in n or [n["pte_chain"]["counts"][k] for k in ("locks_page", "locks_mm", "locks_family")] == [4000, 0, 0]'
json '[n["anon_vma_chain"]["counts"][k] for k in ("locks_page", "locks_mm", "locks_family")] == [0, 1, 202]'
json '"lineage" not in n or (n["lineage"]["counts"]["locks_page"] == n["lineage"]["counts"]["locks_family"] == 0 and
	0 < n["lineage"]["counts"]["locks_mm"] <= 4 * 101)'
json '"pte_chain" not in n or n["pte_chain"]["looks_per_pte_full"]["max"] == 1'
json '"anon_vma" not in n or n["anon_vma"]["looks_per_pte"]["max"] > 70'
expect_code 0 "$rmap" compare --json --designs anon_vma_chain survivors:children=100,pages=4
json 'd["designs"][0]["probes"][1]["looks_stopping"] > 1 and d["designs"][0]["probes"][1]["found"] == 1'

# -- the same twice, but for times
for i in one two; do
	"$rmap" compare --json --designs anon_vma_chain mremap-churn:steps=300 | python3 -c 'import json, sys
x = json.load(sys.stdin)["designs"][0]
print(x["looks_per_pte"], x["looks_per_pte_full"], x["steps_per_pte"], x["phases"], x["counts"]["walks"])' >"$dir/$i"
done
cmp -s "$dir/one" "$dir/two" || fail "two comparisons differ"

# -- every generator under every design, in little memory too
for generator in survivors:children=40,left=3,which=spread survivors:children=40,which=newest,parent=yes \
	unmapped:children=20 unmapped:children=20,how=dontfork fork-vmas:vmas=40,children=3,depth=2 \
	swap-shared:children=6,pages=60 single-pages:vmas=300 fork-move displaced:ranges=60 \
	file-offsets:mappings=8 fork-chain:generations=60 zygote:apps=6,pages=40,own=40; do
	expect_code 0 "$rmap" compare --probes 60 --check 60 "$generator"
	shows 'checked, nothing wrong'
done
expect_code 0 "$rmap" compare --probes 60 --frames 700 prefork:workers=6
expect_code 0 "$rmap" compare --json --probes 60 --frames 8M swap-shared
json 'all(x["counts"]["swap_in"] > 100 and x["counts"]["walks"]["unmap"]["found"] > 1000 for x in d["designs"])'
expect_code 0 "$rmap" compare --probes 60 "$source/workloads/tour.rmw"
