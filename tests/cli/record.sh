#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap record from outside: a pipeline, a tree with threads and vfork, little memory, an interrupt; each
# record is complete (layouts at exit equal the kernel's), fits, replays, and leaves nothing behind.
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
rmap=${RMAP:?}
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
	"$@" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$want" ] || fail "exit code $code instead of $want: $* ($(cat "$dir/err"))"
}

# -- bad input needs no rights
expect_code 2 "$rmap" record
expect_code 2 "$rmap" record -o "$dir/x"
expect_code 2 "$rmap" record -- true
expect_code 2 "$rmap" record --buffer 64T -o "$dir/x" -- true
expect_code 2 "$rmap" record --memory 1x -o "$dir/x" -- true
expect_code 2 "$rmap" record --memory 99999999999999999999 -o "$dir/x" -- true
expect_code 2 "$rmap" record --swap 4M -o "$dir/x" -- true
expect_code 2 "$rmap" record --list "$dir"
expect_code 2 "$rmap" record --list "$dir/none"
expect_code 2 "$rmap" record --list "$0"
: >"$dir/empty.rmrec"
expect_code 2 "$rmap" record --list "$dir/empty.rmrec"

[ "$(id -u)" = 0 ] || skip "recording needs root"
"$rmap" record -q -o "$dir/true.rmrec" -- true 2>"$dir/err" || {
	grep -q "tracefs\|trace event\|tracing\|perf events\|cannot be traced\|PID namespace" "$dir/err" &&
		skip "$(cat "$dir/err")"
	fail "$(cat "$dir/err")"
}
instances=/sys/kernel/tracing/instances
# nothing is left that belongs to a recorder which has ended (another may be at work)
clean() {
	local pid
	for pid in $(ls "$instances" /sys/fs/cgroup /sys/fs/cgroup/memory 2>/dev/null; cat /proc/swaps); do
		case $pid in *rmap-record-*) ;; *) continue ;; esac
		pid=${pid##*rmap-record-}
		kill -0 "${pid%.swap}" 2>/dev/null || fail "something of recorder $pid is left"
	done
}
# sound FILE: complete and fitting, by the recorder's own summary
sound() {
	grep -q '^the kernel dropped 0 events' "$dir/out" || fail "$1: $(cat "$dir/out")"
	grep -q '^0 events do not fit' "$dir/out" || fail "$1: $(cat "$dir/out")"
	grep -q 'exit, 0 differ' "$dir/out" || fail "$1: $(cat "$dir/out")"
	"$rmap" record --list "$1" >"$dir/list" || fail "$1 cannot be listed"
	grep -q '^end: 0 events do not fit' "$dir/list" || fail "$1: $(tail -n 1 "$dir/list")"
}

expect_code 2 "$rmap" record -o "$dir/x.rmrec" -- "$dir/nothing-here"
expect_code 2 "$rmap" record -o "$dir/nowhere/x.rmrec" -- true
[ ! -e "$dir/x.rmrec" ] || fail "a record of nothing was written"
clean

# -- what stands in a record is shown by a terminal, not obeyed
expect_code 0 "$rmap" record -o "$dir/red.rmrec" -- true $'\033[31mred'
expect_code 0 "$rmap" record --list "$dir/red.rmrec"
grep -q '^command: true \\x1b\[31mred$' "$dir/out" || fail "shown as it stands: $(head -n 1 "$dir/out" | cat -v)"

# -- a pipeline: three processes
expect_code 0 "$rmap" record --verify -o "$dir/pipe.rmrec" -- sh -c 'ls / | wc -l'
sound "$dir/pipe.rmrec"
[ "$(grep -c '^[0-9]* exec' "$dir/list")" = 3 ] || fail "three execs are wanted"
[ "$(grep -c '^[0-9]* exit' "$dir/list")" = 3 ] || fail "three exits are wanted"
head -n 1 "$dir/list" | grep -qF "sh -c ls / | wc -l" || fail "the command line is not in it"

# -- the exit code is the recorder's, the command's is told
expect_code 0 "$rmap" record -o "$dir/seven.rmrec" -- sh -c 'exit 7'
grep -q 'exit code 7' "$dir/out" || fail "exit code 7 is not told"

# -- threads that map and unmap, fork and exec
if command -v gcc >/dev/null; then
	gcc -O1 -pthread -o "$dir/busy" "${SOURCE:?}/tests/cli/record-busy.c"
	expect_code 0 "$rmap" record --verify -o "$dir/busy.rmrec" -- "$dir/busy"
	sound "$dir/busy.rmrec"
	for kind in thread fork share mremap madvise mprotect mlockall; do
		grep -q "^[0-9]* $kind" "$dir/list" || fail "there is no $kind in the record"
	done
	[ "$(grep -c ' denied' "$dir/list")" = 2 ] || fail "two refused faults are wanted"
	grep -q 'file [0-9]*: /SYSV' "$dir/list" || fail "System V memory is missing"
fi
clean

# -- an interrupt ends the command, and the record is written
"$rmap" record -o "$dir/stopped.rmrec" -- sh -c 'touch "$1"; exec sleep 60' - "$dir/runs" >"$dir/out" 2>"$dir/err" &
pid=$!
until [ -e "$dir/runs" ]; do
	kill -0 "$pid" || fail "$(cat "$dir/err")"
	sleep 0.05
done
kill -TERM "$pid"
wait "$pid" || fail "an interrupted recording must still end well: $(cat "$dir/err")"
[ -s "$dir/stopped.rmrec" ] || fail "an interrupted recording wrote nothing"
clean

# -- one that comes as soon as there is something to leave behind leaves nothing, and mostly no record
# early SIGN OPTION...: interrupted when SIGN can be seen of it
early() {
	local pid code=0 sign=$1
	shift
	rm -f "$dir/early.rmrec"
	"$rmap" record "$@" -o "$dir/early.rmrec" -- sleep 62 >"$dir/out" 2>"$dir/err" &
	pid=$!
	until ls "$instances" | cat - /proc/swaps | grep -q "$sign$pid"; do
		kill -0 "$pid" 2>/dev/null || return 0
	done
	kill -TERM "$pid"
	wait "$pid" || code=$?
	case $code in
	0) [ -s "$dir/early.rmrec" ] || fail "no record, and no reason" ;;
	2) grep -q "interrupted before it was run" "$dir/err" || fail "$(cat "$dir/err")" ;;
	*) fail "exit code $code after an interrupt: $(cat "$dir/err")" ;;
	esac
	[ "$code" = 0 ] || [ ! -s "$dir/early.rmrec" ] || fail "a record of nothing"
	! pgrep -f -x 'sleep 62' >/dev/null || fail "it runs on"
	clean
}
early rmap-record-
early rmap-record-
early '/rmap-record-' --memory 8M

# -- a summary that nobody reads does not end it before it has cleared away
mkfifo "$dir/unread"
sleep 0 <"$dir/unread" &
"$rmap" record -o "$dir/unread.rmrec" -- sh -c "until ! kill -0 $! 2>/dev/null; do sleep 0.05; done" 2>"$dir/err" >"$dir/unread" &&
	fail "the summary went nowhere, and nobody was told"
grep -q "cannot be written" "$dir/err" || fail "what went wrong: $(cat "$dir/err")"
[ -s "$dir/unread.rmrec" ] || fail "the summary could not be written, so the record was not"
clean

# -- a killed recorder leaves no process, and the next one clears away after it, whatever its options
killed() {
	local pid
	"$rmap" record "$@" -o "$dir/killed.rmrec" -- sleep 61 >"$dir/out" 2>"$dir/err" &
	pid=$!
	for _ in $(seq 400); do
		pgrep -f -x 'sleep 61' >/dev/null && break
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null || fail "$(cat "$dir/err")"
	wait "$pid" 2>/dev/null || true
	sleep 0.2
	! pgrep -f -x 'sleep 61' >/dev/null || fail "the recorded process outlived its recorder"
	expect_code 0 "$rmap" record -q -o "$dir/next.rmrec" -- true
	clean
}
killed

# -- little memory: pages come back from swap
if "$rmap" record --memory 8M --verify -o "$dir/little.rmrec" -- \
	awk 'BEGIN { for (i = 0; i < 90000; i++) a[i] = i "................................";
		for (k = 0; k < 2; k++) for (i = 0; i < 90000; i++) n += length(a[i]); print n }' \
	>"$dir/out" 2>"$dir/err"; then
	sound "$dir/little.rmrec"
	grep -q 'from swap: [1-9]' "$dir/out" || fail "nothing came back from swap: $(cat "$dir/out")"
	killed --memory 8M
else
	grep -q 'cgroup\|swap' "$dir/err" || fail "$(cat "$dir/err")"
	echo "without --memory: $(cat "$dir/err")"
fi
clean

# -- what was recorded replays
if "$rmap" run --help >/dev/null 2>&1; then
	for record in "$dir"/{pipe,busy,little}.rmrec; do
		[ -e "$record" ] || continue
		expect_code 0 "$rmap" run --check "$record"
	done
fi
echo "all well"
