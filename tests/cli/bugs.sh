#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap bugs: every bug of the list is in the museum or said to be out of place, each is seen with its switch on, on each design that it
# concerns, and nothing without it.
# covers: B1, B2, B3, B4, B5, B7, B8, B9, B10, B11, B12, B13, B15, B16, B18, B19, B20, B21, B22, B24, B26, B29
. "$(dirname "$0")/common.sh"

if [ ! -x "$(dirname "$rmap")/rmap-museum" ]; then
	echo "skipped: there is no museum in this build"
	# Without it there is one sentence.
	expect_code 2 "$rmap" bugs
	exit 77
fi

expect_code 0 "$rmap" bugs --help
shows swap-in-owner
for bad in --design=none --draw=/proc/nowhere/x no-such-bug B99 --nonsense; do
	case $bad in
	--design=none) expect_code 2 "$rmap" bugs --design= ;;&
	--draw*) expect_code 2 "$rmap" bugs swap-in-owner "$bad" ;;
	*) expect_code 2 "$rmap" bugs "$bad" ;;
	esac
done

expect_code 2 "$rmap" bugs B29 --design lineage
says 'concerns lineage'
expect_code 0 "$rmap" bugs B17
shows remap_file_pages

expect_code 0 "$rmap" bugs --list
for n in $(seq 1 29); do
	shows "^B$n\b"
done

expect_code 0 "$rmap" bugs --json
python3 - "$dir/out" "$SOURCE" <<'PYTHON' || fail "not each is seen, or something is wrong without: $(cat "$dir/out")"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["version"] == 1 and d["result"] == "ok"
for b in d["bugs"]:
    assert b["caught"] and b["clean"] and b["designs"], b["name"]
    assert [r["design"] for r in b["runs"]] == b["designs"]
    assert all(r["with"]["seen_by"] and r["with"]["message"] for r in b["runs"]), b["name"]
# What docs/bugs.md says of who sees it.
for b in d["bugs"]:
    said = [line[6:] for line in open(f"{sys.argv[2]}/museum/exhibits/{b['name']}.bug") if line.startswith("seen: ")][0]
    assert all(said.startswith(r["with"]["seen_by"] + ":") for r in b["runs"]), (b["name"], said)
told = {int(b["bug"][1:]) for b in d["bugs"]} | {int(n["bug"][1:]) for n in d["not_applicable"]}
assert told == set(range(1, 30)), told
assert all(n["title"] and n["reason"] for n in d["not_applicable"])
PYTHON

# The story of one: where it goes wrong, who says so, and what would come of it.
expect_code 0 "$rmap" bugs B4 --design anon_vma_chain
shows '=>  P read a = 7'
shows 'mm_check: .*owner of page'
shows 'is used that was freed in line'
expect_code 0 "$rmap" bugs move-flush-late --design pte_chain
shows 'schedule: '

if command -v dot >"$dir/dot"; then
	expect_code 0 "$rmap" bugs neighbour-reuse --draw="$dir/drawings"
	shows "^drawn: $dir/drawings/bug-neighbour-reuse-"
	for what in before wrong fixed; do
		grep -q '<svg' "$dir/drawings/bug-neighbour-reuse-$what.svg" || fail "no drawing of $what"
	done
fi

# -- output that cannot be written
for arguments in "bugs --list" "bugs --help" "bugs B4 --design anon_vma_chain"; do
	code=0
	# shellcheck disable=SC2086 # words
	"$rmap" $arguments >/dev/full 2>"$dir/err" || code=$?
	[ "$code" = 2 ] || fail "rmap $arguments: exit code $code on a full device"
	grep -q '^rmap bugs: the output cannot be written' "$dir/err" || fail "rmap $arguments: no sentence on a full device"
done
