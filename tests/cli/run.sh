#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap and rmap run from outside: help, exit codes, sentences for bad input, JSON, and the figures that the
# 1,000 x 1,000 workload must show.
. "$(dirname "$0")/common.sh"
source=${SOURCE:?}
# json EXPRESSION: true of the summary d in $dir/out
json() {
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), sys.argv[2]' \
		"$dir/out" "$1" || fail "not so: $1"
}

# -- the command
expect_code 0 "$rmap" --help
shows 'rmap run fork-cow'
expect_code 0 "$rmap" --version
shows '^rmap [0-9]'
expect_code 2 "$rmap"
expect_code 2 "$rmap" jump
says "no command 'jump'"
expect_code 2 "$rmap" help jump
says "no command 'jump'"
# Every command teaches by example, both ways, and rmap(1) names it wherever it names commands.
"$rmap" --help | sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' | grep -v rmap >"$dir/commands"
[ "$(wc -l <"$dir/commands")" -ge 11 ] || fail "commands: $(cat "$dir/commands")"
while read -r command; do
	# The museum is a program of its own, which not every build has.
	[ "$command" != bugs ] || [ -x "$(dirname "$rmap")/rmap-museum" ] || continue
	expect_code 0 "$rmap" "$command" --help
	mv "$dir/out" "$dir/first"
	expect_code 0 "$rmap" help "$command"
	cmp -s "$dir/out" "$dir/first" || fail "rmap help $command is not rmap $command --help"
	shows "^  rmap $command "
	for place in "^\*rmap $command\*" "^\*$command\*" "\*rmap-$command\*(1)[,.]"; do
		grep -q "$place" "$source/man/rmap.1.scd" || fail "rmap(1) has no $place"
	done
done <"$dir/commands"
expect_code 0 "$rmap" run --help
shows 'WORKLOAD'
expect_code 0 "$rmap" run --list
shows '^fork-cow$'
shows 'children '

# -- wrong command lines
expect_code 2 "$rmap" run
says 'a workload is missing'
expect_code 2 "$rmap" run a b
says 'there is one workload'
expect_code 2 "$rmap" run --frames 3 fork-cow
expect_code 2 "$rmap" run --frames x fork-cow
expect_code 2 "$rmap" run --frames 99999999999999999999 fork-cow
expect_code 2 "$rmap" run --frames 1000000G fork-cow
expect_code 2 "$rmap" run --swap -1 fork-cow
expect_code 2 "$rmap" run --check=0 fork-cow
expect_code 2 "$rmap" run --check=x fork-cow
expect_code 2 "$rmap" run --design best fork-cow
says "there is no design 'best' (there are anon_vma_chain"
# A limit on the size of files is a sentence, not a signal, and programs that are started have it as it was.
code=0
(ulimit -f 10 && exec "$rmap" run -q --frames 16M fork-cow:pages=10000,children=3) 2>"$dir/err" || code=$?
[ "$code" = 1 ] || fail "exit code $code under a limit on the size of files"
says '^rmap run: '
expect_code 2 "$rmap" run --colour fork-cow

# -- workloads that are none
expect_code 2 "$rmap" run fork-bomb
says 'no such generator'
expect_code 2 "$rmap" run fork-cow:children=0
expect_code 2 "$rmap" run fork-cow:pages=99999999999
expect_code 2 "$rmap" run "$dir/none.rmw"
says 'No such file'
expect_code 2 "$rmap" run "$dir"
says 'directory'
expect_code 2 "$rmap" run /dev/null/x.rmw
head -c 5000 "$rmap" >"$dir/binary.rmw"
expect_code 2 "$rmap" run "$dir/binary.rmw"
says 'binary.rmw:1: '
head -c 5000 /dev/urandom >"$dir/random.rmrec"
expect_code 2 "$rmap" run "$dir/random.rmrec"
printf 'process P\nP mmap 1p rw\nP munmap heap 1p\n' >"$dir/syntax.rmw"
expect_code 2 "$rmap" run "$dir/syntax.rmw"
says "syntax.rmw:3: expected an address, found 'heap'"
[ ! -s "$dir/out" ] || fail "output beside a syntax error"

# -- workloads that fail
printf 'process P\nP mmap 1p rw\nexpect stat P map_count=7\n' >"$dir/wrong.rmw"
expect_code 1 "$rmap" run "$dir/wrong.rmw"
says 'wrong.rmw:3: expect stat: expected map_count = 7, found 1'
expect_code 1 "$rmap" run --json "$dir/wrong.rmw"
json 'd["result"] == "failed" and "map_count" in d["message"]'
printf 'process P\nP mmap 1p rw\nP exit\nP exit\n' >"$dir/bad.rmw"
expect_code 2 "$rmap" run "$dir/bad.rmw"
says 'bad.rmw:4: P is no living process'

# Addresses at both ends, sizes beyond all sense.
cat >"$dir/ends.rmw" <<END
process P
P mmap MAX -> ENOMEM
P mmap 1p at=MAX fixed -> any
P munmap MAX MAX -> EINVAL
P munmap 0 MAX -> EINVAL
P mprotect 0 MAX r -> any
P madvise 0 MAX dontneed -> EINVAL
P mremap 0 MAX MAX maymove -> any
P brk MAX -> ENOMEM
P mlock 0 MAX -> any
P msync 0 MAX sync -> any
P read MAX -> SEGV_MAPERR
P write 0 MAX -> SEGV_MAPERR
reclaim MAX
expect layout P exact { }
END
expect_code 0 "$rmap" run --check=1 "$dir/ends.rmw"

# -- the 1,000 x 1,000 workload: one look from a child's page; from the parent's 1, or 1,001 to the end
expect_code 0 "$rmap" run --json --check --phantom fork-cow:children=1000,pages=1000
json 'd["result"] == "ok" and not d["contents_verified"] and d["check"]["checks"] > 0'
json 'd["probes"][0]["looks_stopping"] == 1 and d["probes"][0]["looks_full"] == 1'
json 'd["probes"][1]["looks_stopping"] == 1 and d["probes"][1]["looks_full"] == 1001'
json 'd["counters"]["fault_cow_copy"] == 1000000 and d["counters"]["fork_ptes"] == 1000000'
json 'd["counters"]["forks"] == 1000 and d["processes_at_most"] == 1001'
json 'd["objects"]["anon_vma"]["objects"] == 0'

# What is printed is what docs/json.md says, and nothing else.
python3 - "$dir/out" "$source/docs/json.md" <<'END' || fail "docs/json.md differs"
import json, re, sys
d = json.load(open(sys.argv[1]))
schema = json.loads(re.search(r"```json\n(.*?)```", open(sys.argv[2]).read(), re.S).group(1))
types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
assert set(schema["required"]) <= set(d), set(schema["required"]) - set(d)
assert set(d) <= set(schema["properties"]), set(d) - set(schema["properties"])
for key, value in d.items():
    kind = schema["properties"][key].get("type")
    assert kind is None or isinstance(value, types[kind]), key
    for form, values in (("items", value), ("additionalProperties", value.values() if type(value) is dict else ())):
        for v in values if form in schema["properties"][key] else ():
            assert set(schema["properties"][key][form].get("required", ())) <= set(v if type(v) is dict else ()), key
END

# -- contents, swapping
expect_code 0 "$rmap" run --json --check fork-cow:children=20,pages=200
json 'd["contents_verified"] and d["verified_pages"] >= 4200 and d["counters"]["swap_out"] == 0'
expect_code 0 "$rmap" run --json --check --verify --frames 8M fork-cow:children=20,pages=200
json 'd["counters"]["swap_out"] > 1000 and d["counters"]["swap_in"] > 1000 and d["walks"]["unmap"]["found"] > 1000'

# -- a share of what it has in use at the most; swap in pages
expect_code 0 "$rmap" run --json fork-cow:children=20,pages=200
json 'open("'"$dir"'/peak", "w").write(str(d["frames_at_most"]))'
expect_code 0 "$rmap" run --json --check --frames 25% fork-cow:children=20,pages=200
json 'd["frames"] == int(open("'"$dir"'/peak").read()) // 4 and d["counters"]["swap_out"] > 1000'
expect_code 0 "$rmap" run --json --frames 1% --swap 5000 fork-cow:children=2,pages=20
json 'd["frames"] == 64 and d["swap_slots"] == 5000'
expect_code 1 "$rmap" run --frames 25% --swap 0 fork-cow:children=20,pages=200
says 'found OOM (out of memory: --frames and --swap give more)'
expect_code 2 "$rmap" run --frames 25% <(echo process P)
says 'would be read twice'
expect_code 1 "$rmap" run --frames 25% "$dir/wrong.rmw"
says 'before --frames 25%: .*wrong.rmw:3: '

# -- every generator, small memory or not, with everything checked
for generator in fork-cow fork-chain:generations=20 prefork:workers=8 zygote:apps=4 mremap-churn:steps=300 \
	split-merge:steps=300; do
	expect_code 0 "$rmap" run --check=50 "$generator"
	shows 'nothing wrong'
	expect_code 0 "$rmap" run --check --frames 600 --quiet prefork:workers=4
done

# -- the same run twice is the same, but for times and for what waits for a grace period
for i in one two; do
	"$rmap" run --json mremap-churn | python3 -c 'import json, sys
d = json.load(sys.stdin)
print(d["walks"], d["probes"], {k: v for k, v in d["counters"].items() if k[:7] not in ("memory.", "rmap.pe")})' \
		>"$dir/$i"
done
cmp -s "$dir/one" "$dir/two" || fail "two runs differ"

# -- a disk that has no room for what goes to swap is told of, not memory that is missing
(
	trap '' XFSZ
	ulimit -f 64
	expect_code 1 "$rmap" run --frames=1000 fork-cow:children=10,pages=1000
)
says 'found ENOMEM; [0-9,]* pages could not be written to swap in .*: File too large$'
shows '^ *[0-9,]* pages could not be written to swap in .*: File too large$'

# -- output that cannot be written
if [ -e /dev/full ]; then
	code=0
	"$rmap" run fork-cow:children=1,pages=1 >/dev/full 2>"$dir/err" || code=$?
	[ "$code" = 2 ] || fail "exit code $code on a full device"
fi

expect_code 0 "$rmap" run --quiet "$source/workloads/tour.rmw"
[ ! -s "$dir/out" ] || fail "--quiet is not"
echo "all well"
