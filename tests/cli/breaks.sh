#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap breaks from outside: a program whose broken pages are known is described exactly, by function, line, callers and process, when it
# is started by rmap, found running, and stripped; an interrupt ends well; names that bite are shown and not obeyed.
. "$(dirname "$0")/common.sh"

skip() {
	echo "skipped: $*"
	exit 77
}

# -- bad input needs no rights
expect_code 2 "$rmap" breaks
expect_code 2 "$rmap" breaks 0
expect_code 2 "$rmap" breaks 12x
says "no process number"
expect_code 2 "$rmap" breaks 1 -- true
expect_code 2 "$rmap" breaks --seconds -1 1
expect_code 2 "$rmap" breaks --seconds nan 1
expect_code 2 "$rmap" breaks --top 0 1
expect_code 2 "$rmap" breaks --stack 1M 1
expect_code 2 "$rmap" breaks --buffer 1 1
expect_code 2 "$rmap" breaks --json --csv 1
expect_code 2 "$rmap" breaks --tree 999999999
expect_code 0 "$rmap" breaks --help
shows "CAP_PERFMON"

# -- without rights there is a sentence that says which
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir"
	cp "$rmap" "$dir/rmap"
	expect_code 2 setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/rmap" breaks -- true
	says "tracefs\|tracing\|CAP_PERFMON"
fi

# where the report cannot go is said before anybody is followed
for option in -o --svg; do
	expect_code 2 "$rmap" breaks $option "$dir/nowhere/x" -- touch "$dir/ran"
	says 'nowhere/x: cannot be written: No such file'
	[ ! -e "$dir/ran" ] || fail "it was followed all the same"
	expect_code 2 "$rmap" breaks $option "$dir" -- true
	says 'cannot be written'
done
expect_code 2 "$rmap" breaks --seconds "$(printf '\033[31m')" 1
! grep -q "$(printf '\033')" "$dir/err" || fail "breaks obeys its arguments"

[ "$(id -u)" = 0 ] || skip "following processes needs root"
"$rmap" breaks -q -- true >"$dir/out" 2>"$dir/err" || {
	grep -q "tracefs\|tracing\|trace event\|perf events" "$dir/err" && skip "$(cat "$dir/err")"
	fail "$(cat "$dir/err")"
}
expect_code 2 "$rmap" breaks -q -- "$dir/nothing-here"
says "No such file"
command -v gcc >/dev/null && command -v python3 >/dev/null || skip "gcc or python3 is missing"

source=${SOURCE:?}/tests/cli/breaks-known.c
gcc -D_GNU_SOURCE -g -O2 -pthread -o "$dir/known" "$source"
cd "$dir" # where the program makes its file

# known JSON NAMES: what the comments in the source say, held against what was found
cat >"$dir/known.py" <<'END'
import json, os, re, sys

found, source, names = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
classes = ("copied", "from_file", "zeroed", "unshared", "notice", "overtaken", "refused")
tmpfs = sys.argv[4] == "tmpfs"
wrong = []

def faults(lines):
    return {c: n for c in classes if (n := sum(l["faults"][c] for l in lines))}

for number, line in enumerate(open(source), 1):
    if not (m := re.search(r"/\* (\w+): (\d+) (\w+)", line)) or m[3] not in classes:
        continue
    name, want = m[1], {m[3]: int(m[2])}
    if name == "noted" and tmpfs:
        continue # memory files need no notice
    function = [l for l in open(source).readlines()[:number] if l.startswith("ALONE")][-1]
    function = re.search(r"(\w+)\(", function)[1]
    if name == "kernel":
        at = [l for l in found["lines"] if l["by_kernel"] and
              any(f["function"] == function and f["line"] == number for s in l["stacks"] for f in s["frames"])]
        if names != "lines":
            continue
    elif name == "made":
        at = [l for l in found["lines"] if l["function"] == "made_at_run_time"]
    elif names == "lines":
        at = [l for l in found["lines"] if l["line"] == number and l["function"] == function]
    elif names == "functions":
        at = [l for l in found["lines"] if l["function"] == function]
        want = None if name == "refused" else want
    else:
        break
    got = faults(at)
    if want and got != want and not (names == "functions" and want.items() <= got.items()):
        wrong.append(f"{name}, line {number}: {want} wanted, {got} found")

stacks = [s for l in found["lines"] for s in l["stacks"]]
if names != "stripped":
    for caller, pages in (("first_caller", 3), ("second_caller", 4)):
        got = sum(s["pages"] for s in stacks if [f["function"] for f in s["frames"][:2]] == ["write_two", caller])
        if got != pages:
            wrong.append(f"{pages} pages wanted by {caller}, {got} found")
    if not all(s["frames"][-1]["function"] in ("_start", "__clone3", "clone3", "clone", "__clone")
               for s in stacks if s["frames"][0]["function"] == "write_two"):
        wrong.append("the stack does not lead to its beginning")
else:
    # names are gone, places are not: the same pages, by offset
    got = sum(l["pages"] for l in found["lines"] if l["module"] == "known")
    if got < 5 + 7 + 3 + 2 + 3 + 2 + 4:
        wrong.append(f"only {got} pages in the stripped program")
grand = [p for p in found["processes"] if "child" in p["comm"]]
if len(grand) != 1 or grand[0]["pages"] < 2 or "\x1b" in grand[0]["comm"]:
    wrong.append(f"the grandchild: {grand}")
if found["lost"] or found["under_way"]:
    wrong.append(f"lost {found['lost']}, under way {found['under_way']}")
if sum(found["faults"].values()) != sum(sum(v["faults"].values()) for v in found["vmas"]):
    wrong.append("the sums of the VMAs are not those of all")
if sum(found["time"]["pages"]) != found["pages"] or found["bytes"] < 4096 * found["pages"]:
    wrong.append("time, pages and bytes do not agree")
sys.exit("\n".join(wrong) if wrong else 0)
END
known() {
	python3 "$dir/known.py" "$1" "$source" "$2" "$(stat -f -c %T .)" >"$dir/err" 2>&1 ||
		fail "$1: $(cat "$dir/err")"
}

# -- started by rmap
expect_code 0 "$rmap" breaks --json -- ./known
cp out started.json
known started.json lines

# -- found running, by number and by tree, from before its fork
# found NAME OPTIONS...: follows ./known by these, lets it go on, and leaves NAME.json
found() {
	local name=$1 pid follower
	shift
	rm -f "go.$name" err
	: >err
	./known "go.$name" &
	pid=$!
	sleep 0.2
	"$rmap" breaks --json -o "$name.json" "$@" "$pid" 2>err &
	follower=$!
	until grep -q following err; do
		kill -0 "$follower" 2>/dev/null || fail "$(cat err)"
		sleep 0.05
	done
	touch "go.$name"
	wait "$pid" || fail "the program failed"
	wait "$follower" || fail "$(cat err)"
	known "$name.json" lines
}
found number
found tree --tree
found everything --all-cpus

# -- without debug information, and stripped
gcc -D_GNU_SOURCE -O2 -pthread -o known "$source"
expect_code 0 "$rmap" breaks --json -- ./known
cp out functions.json
known functions.json functions
strip known
expect_code 0 "$rmap" breaks --json -- ./known
cp out stripped.json
known stripped.json stripped
expect_code 0 "$rmap" breaks -- ./known
shows "known: stripped"
! grep -q $'\e' out || fail "a name was obeyed"

# -- without stacks the function that writes is known all the same
gcc -D_GNU_SOURCE -g -O2 -pthread -o known "$source"
expect_code 0 "$rmap" breaks --stack 0 -- ./known
shows "write_two breaks-known.c"

# -- the other forms
expect_code 0 "$rmap" breaks --folded --svg picture.svg -- ./known
grep -q '^known;.*;main;child\(_\[i\]\)\?;second_caller;write_two 4$' out || fail "no such stack: $(cat out)"
python3 -c 'import sys, xml.dom.minidom as x; t = x.parse("picture.svg").getElementsByTagName("title")
sys.exit(not any(e.firstChild.data.startswith("write_two ") for e in t))' || fail "the picture"
grep -q 'sharing broken: [1-9][0-9]* pages, [0-9.]* KiB, in ' picture.svg || fail "the picture's head: $(grep broken picture.svg)"
expect_code 0 "$rmap" breaks --csv -- ./known
python3 - <<'END' || fail "the CSV is wrong"
import csv, sys
rows = list(csv.DictReader(open("out")))
sys.exit(sum(int(r["pages"]) for r in rows if r["function"] == "write_one") != 5)
END

# -- an interrupt, and the end of time
sleep 60 &
sleeper=$!
: >err
"$rmap" breaks "$sleeper" >out 2>err &
follower=$!
until grep -q following err; do sleep 0.05; done
kill -INT "$follower"
wait "$follower" || fail "an interrupt must end well: $(cat err)"
shows "sharing broken: 0 pages"
expect_code 0 "$rmap" breaks --seconds 0.3 "$sleeper"
kill "$sleeper"
expect_code 0 "$rmap" breaks --seconds 0.5 -- sleep 60
says "signal 15"

# -- output that cannot be written
expect_code 2 "$rmap" breaks -o "$dir/nowhere/x" -- true
expect_code 2 "$rmap" breaks --svg "$dir/nowhere/x" -- true
echo "all well"
