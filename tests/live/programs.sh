#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap sharing, who and import on real programs: Redis that saves in the background while it is written to, PostgreSQL with 20
# backends, eight forked workers in Python. They are stopped; then the sums must be the kernel's own to the page, and the
# imported workload must replay with the same sharing. What is printed is what docs/live.md shows.
#
#   tests/live/programs.sh [redis] [postgres] [python]
set -u
rmap=${RMAP:-build/rmap}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
chmod 755 "$dir"
pids=()

finish() {
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
[ "$(id -u)" = 0 ] || {
	echo "skipped: frame numbers need root"
	exit 77
}
[ -r /proc/kpagecount ] || {
	echo "skipped: this kernel has no /proc/kpagecount"
	exit 77
}
tried=0

# until COMMAND...: up to 20 s
until_true() {
	for _ in $(seq 200); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "waited in vain for: $*"
}
# A process and its children stand still, and are looked at.
look() {
	local name=$1 pid=$2
	pids=("$pid" $(pgrep -P "$pid"))
	kill -STOP "${pids[@]}"
	sleep 0.2
	echo "\$ rmap sharing --check --top 6 --tree $pid"
	COLUMNS=100 "$rmap" sharing --check --top 6 --tree "$pid" || fail "$name: the sums differ"
	echo
	echo "\$ rmap import -o $name.rmrec --tree $pid"
	"$rmap" import -o "$dir/$name.rmrec" --tree "$pid" >"$dir/import" || fail "$name: $(cat "$dir/import")"
	sed "s,$dir/,," "$dir/import"
	echo
}
go_on() {
	kill -CONT "${pids[@]}" 2>/dev/null
	tried=$((tried + 1))
}

redis() {
	local pid child address file=$dir/redis
	mkdir "$file"
	redis-server --port 0 --unixsocket "$file/socket" --dir "$file" --save "" --appendonly no \
		--rdb-key-save-delay 200 >"$file/log" 2>&1 &
	pid=$!
	pids=("$pid")
	until_true redis-cli -s "$file/socket" ping
	redis-benchmark -s "$file/socket" -q -t set -n 300000 -r 200000 -d 200 -P 32 >/dev/null
	redis-cli -s "$file/socket" bgsave >/dev/null
	redis-benchmark -s "$file/socket" -q -t set -n 20000 -r 200000 -d 200 -P 32 >/dev/null
	child=$(pgrep -P "$pid") || fail "redis saves too fast to be looked at"
	look redis "$pid"
	# a page of the largest VMA that both still have
	"$rmap" sharing --vmas --json "$child" >"$dir/json"
	address=$(python3 -c "
import json
vmas = [v for p in json.load(open('$dir/json'))['processes'] for v in p['vmas']]
print(max((v for v in vmas if v['name'] == '[anon]'), key=lambda v: v['beyond'])['vma'].split('-')[0])")
	for page in $(seq 0 13 12000); do
		"$rmap" who "$child" "$(printf '%x' $((0x$address + page * 4096)))" >"$dir/who" 2>/dev/null || continue
		grep -q '^all 2 found' "$dir/who" || continue
		echo "\$ rmap who $child $(printf '%x' $((0x$address + page * 4096)))"
		cat "$dir/who"
		break
	done
	grep -q '^all 2 found' "$dir/who" || fail "no page is shared by Redis and its child"
	go_on
	kill "$child" "$pid"
	wait "$pid" 2>/dev/null
	pids=()
}

postgres() {
	local pid bin file=$dir/postgres
	bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
	mkdir "$file"
	chown postgres "$file"
	as() { runuser -u postgres -- "$@"; }
	as "$bin/initdb" -D "$file/db" >"$file.log" 2>&1 || fail "$(tail -n 3 "$file.log")"
	as "$bin/pg_ctl" -D "$file/db" -w -l "$file/log" -o "-k $file -h '' -c shared_buffers=64MB" start >/dev/null ||
		fail "$(tail -n 3 "$file/log")"
	pid=$(head -n 1 "$file/db/postmaster.pid")
	pids=("$pid")
	as "$bin/createdb" -h "$file" bench
	as "$bin/pgbench" -h "$file" -i -q -s 4 bench >/dev/null 2>&1
	as "$bin/pgbench" -h "$file" -c 20 -j 2 -T 600 bench >/dev/null 2>&1 &
	until_true sh -c "[ \$(pgrep -P $pid | wc -l) -ge 25 ]"
	sleep 4
	look postgres "$pid"
	go_on
	as "$bin/pg_ctl" -D "$file/db" -m immediate stop >/dev/null
	pids=()
}

python() {
	local pid
	python3 "$here/workers.py" >"$dir/ready" &
	pid=$!
	pids=("$pid")
	until_true sh -c "[ \$(wc -c <$dir/ready) = 8 ]"
	look python "$pid"
	go_on
	kill -KILL "${pids[@]}"
	wait 2>/dev/null
	pids=()
}

programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(redis postgres python)
for program in "${programs[@]}"; do
	case $program in
	redis) needs=redis-server ;;
	postgres) needs=postgres && PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1) ;;
	python) needs=python3 ;;
	*) fail "there is no program $program here" ;;
	esac
	if command -v "$needs" >/dev/null; then
		"$program"
	else
		echo "without $program: there is no $needs"
	fi
done
[ $tried -gt 0 ] || {
	echo "skipped: none of the programs is here"
	exit 77
}
echo "all well"
