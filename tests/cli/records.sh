#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The shipped records: whole, small, complete; they show what they are there to show.
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
rmap=${RMAP:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}
# number NAME: what the header says of it
number() {
	sed -n "s/^$1: \\([0-9]*\\).*/\\1/p" "$dir/list" | head -n 1
}
for name in redis postgres compile; do
	file=${SOURCE:?}/workloads/records/$name.rmrec
	"$rmap" record --list "$file" >"$dir/list" || fail "$name cannot be read"
	[ "$(stat -c %s "$file")" -lt 1000000 ] || fail "$name is large"
	[ "$(number dropped)" = 0 ] || fail "$name: the kernel dropped events"
	misfits=$(sed -n 's/^end: \([0-9]*\) events.*/\1/p' "$dir/list")
	[ $((misfits * 1000)) -le "$(number events)" ] || fail "$name: $misfits events do not fit"
	[ "$(number faults)" -gt 10000 ] || fail "$name has few faults"
	case $name in
	redis)
		[ "$(number 'from swap')" -gt 1000 ] || fail "redis: little came back from swap"
		grep -q '^0 fork' "$dir/list" || fail "redis: no background save"
		# writes while the child lives break COW
		cow=$(awk '/^0 fork/ { on = 1 } /^1 exit/ { on = 0 }
			on && /^0 fault .* write present/ { n++ } END { print n + 0 }' "$dir/list")
		[ "$cow" -gt 1000 ] || fail "redis: $cow COW breaks during the save"
		;;
	postgres)
		[ "$(number processes)" -gt 20 ] || fail "postgres: few backends"
		;;
	compile)
		[ "$(grep -c '^[0-9]* exec' "$dir/list")" -gt 100 ] || fail "compile: few execs"
		;;
	esac
done
echo "all well"
