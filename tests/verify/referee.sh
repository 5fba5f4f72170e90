#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap verify from outside: bad input; agreement on the scenarios; planted mistakes found; documentation of the rules; nothing
# left behind, however it ends.
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
rmap=${RMAP:?}
source=${SOURCE:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

skip() {
	echo "skipped: $*"
	exit 77
}
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
# expect_code CODE COMMAND...
expect_code() {
	local want=$1 code=0
	shift
	"$@" >"$dir/out" 2>"$dir/err" </dev/null || code=$?
	[ "$code" = "$want" ] || fail "exit code $code instead of $want: $* ($(cat "$dir/out" "$dir/err"))"
}

# -- bad input needs no rights
expect_code 2 "$rmap" verify
expect_code 2 "$rmap" verify "$dir/none.rmw"
expect_code 2 "$rmap" verify --seed x "$source/workloads/tour.rmw"
echo 'process P P' >"$dir/bad.rmw"
expect_code 2 "$rmap" verify "$dir/bad.rmw"

# -- each rule of the code is a row of the page, and the other way round
expect_code 0 "$rmap" verify --rules
grep -E '^[a-z]' "$dir/out" | sort >"$dir/code"
sed -n 's/^| `\([a-z-]*\)` |.*/\1/p' "$source/docs/referee.md" | sort >"$dir/page"
diff "$dir/code" "$dir/page" >"$dir/diff" || fail "rules in the code (<) and in docs/referee.md (>): $(cat "$dir/diff")"

# -- may this machine be asked?
expect_code 0 "$rmap" verify "$source/workloads/tour.rmw"
grep -q '^[^ ]*: skipped: ' "$dir/out" && skip "$(cat "$dir/out")"
grep -q ': agreed: ' "$dir/out" || fail "$(cat "$dir/out")"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir"
	cp "$rmap" "$source/workloads/tour.rmw" "$dir"
	expect_code 0 setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/rmap" verify "$dir/tour.rmw"
	grep -q ': skipped: ' "$dir/out" || fail "without rights: $(cat "$dir/out")"
fi

# -- what the workload expects is held against both
printf 'config swap=0\nprocess P\nP munmap 0x10000001 1p\n' >"$dir/w.rmw"
expect_code 1 "$rmap" verify "$dir/w.rmw"
grep -q 'expected success, both sides have EINVAL' "$dir/out" || fail "$(cat "$dir/out")"
# what cannot be asked is said
printf 'process P\nP poison 0x10000000 -> any\n' >"$dir/w.rmw"
expect_code 0 "$rmap" verify "$dir/w.rmw"
grep -q 'skipped: .*poison' "$dir/out" || fail "$(cat "$dir/out")"

# -- planted mistakes
cat >"$dir/merge.rmw" <<'EOF'
config swap=0
process P
P mmap 2p rw at=0x10002000 fixed
P mmap 2p rw at=0x10000000 fixed
EOF
cat >"$dir/cow.rmw" <<'EOF'
config swap=0
process P
a = P mmap 1p rw
P write a
C = P fork
P write a
EOF
cat >"$dir/errno.rmw" <<'EOF'
config swap=0
process P
P madvise 0x10000000 1p dontneed -> any
EOF
cat >"$dir/copy.rmw" <<'EOF'
config swap=0
process P
a = P mmap 1p rw
P write a
f = P frame a
C = P fork
C exit
P write a
EOF
for mistake in merge cow errno copy; do
	planted=PLANTED_$mistake
	expect_code 0 "$rmap" verify "$dir/$mistake.rmw"
	expect_code 1 "${!planted}" verify "$dir/$mistake.rmw"
	grep -q ': differs: ' "$dir/out" || fail "$mistake: $(cat "$dir/out")"
	expect_code 1 "${!planted}" verify --json "$dir/$mistake.rmw"
	python3 - "$dir/out" <<'EOF' || fail "$mistake: $(cat "$dir/out")"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["version"] == 1 and d["divergences"] == 1 and d["kernel"] and d["operations"] > 0 and d["seed"] == 1
assert d["runs"][0]["result"] == "differs" and d["runs"][0]["history"]
EOF
done

# -- nothing is left, also when it is killed
printf 'config swap=0\nprocess P\na = P mmap 1p rw\nC = P fork\nrepeat 100000000\nP write a\nend\n' >"$dir/long.rmw"
for signal in KILL TERM HUP; do
	"$rmap" verify "$dir/long.rmw" >/dev/null 2>&1 &
	pid=$!
	puppets=
	for _ in $(seq 200); do
		puppets=$(pgrep -P $pid -x rmap-puppet || true)
		[ -z "$puppets" ] || break
		sleep 0.01
	done
	[ -n "$puppets" ] || fail "no puppet was seen"
	kill -$signal $pid
	wait $pid 2>/dev/null || true
	sleep 0.2
	for p in $puppets; do
		[ ! -d "/proc/$p" ] || grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null || [ ! -d "/proc/$p" ] ||
			fail "a puppet outlived SIG$signal"
	done
done

# -- what MADV_PAGEOUT leaves, being dirty, does not make the next fault read a large folio, of which a hole then drops all
#    file f: | 0 | 1 | 2 | hole …  14 | 15 | 16 | 17 | 18 |
#    a maps 0 to 2, b 10 to 15; 12 is read, 15 is removed: 12 is still there
printf '%s\n' 'file f 20p' 'process P' 'truncate f 3p' 'filewrite f 0x12000 1p' 'a = P mmap 3p rw private file=f' 'P read a+2p 1p' \
	'P madvise a 3p pageout' 'P read a+2p 1p' 'b = P mmap 6p rw shared file=f offset=0xa000' 'P read b+2p 1p' \
	'P madvise b+5p 1p remove' >"$dir/w.rmw"
expect_code 0 "$rmap" verify --swap "$dir/w.rmw"

# -- nor swap: a keeper of its own takes it away
swap_of() {
	# the swap file of the keeper that process $1 started
	local keeper
	keeper=$(pgrep -P "$1" -x rmap-swap || true)
	[ -z "$keeper" ] || grep -o "^[^ ]*rmap-verify-$keeper\.swap" /proc/swaps || true
}
sed -i 's/swap=0/swap=64/' "$dir/long.rmw"
expect_code 0 "$rmap" verify --swap "$source/workloads/tour.rmw"
if ! grep -q ': skipped: ' "$dir/out"; then
	for signal in KILL INT; do
		(trap - INT; exec "$rmap" verify --swap "$dir/long.rmw" >/dev/null 2>&1) &
		pid=$!
		file=
		for _ in $(seq 300); do
			file=$(swap_of $pid)
			[ -z "$file" ] || break
			sleep 0.1
		done
		[ -n "$file" ] || fail "no swap file was seen"
		kill -$signal $pid
		wait $pid 2>/dev/null || true
		for _ in $(seq 100); do
			grep -q "^$file" /proc/swaps || break
			sleep 0.1
		done
		! grep -q "^$file" /proc/swaps || fail "$file is in use after SIG$signal"
		sleep 0.2
		[ ! -e "$file" ] || fail "$file was left by SIG$signal"
	done
fi
