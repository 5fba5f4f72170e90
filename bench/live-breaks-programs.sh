#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What `rmap breaks` says of three real programs, all from Debian: a Redis that saves in the background while it is written to, a
# PostgreSQL with 20 backends, and 8 workers that Python forked. docs/live.md shows what it prints. What is not installed is skipped.
#
#   RMAP=build/rmap bench/live-breaks-programs.sh [redis|postgres|python]...
set -eu
cd "$(dirname "$0")/.."
rmap=$(realpath "${RMAP:-build/rmap}")
[ "$(id -u)" = 0 ] || {
	echo "skipped: following processes needs root"
	exit 77
}

dir=$(mktemp -d /tmp/rmap-live.XXXXXX)
chmod 755 "$dir"
started=() # what is to be ended
finish() {
	local pid
	for pid in ${started[@]+"${started[@]}"}; do
		kill -INT "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap finish EXIT

missing() {
	command -v "$1" >/dev/null && return 1
	echo "skipped: no $1"
}
# follow ARGUMENT...: in the background; returns when it has begun
follow() {
	: >"$dir/err"
	"$rmap" breaks --svg "$dir/flame.svg" -o "$dir/report" "$@" 2>"$dir/err" &
	follower=$!
	until grep -q following "$dir/err"; do
		kill -0 "$follower" || exit 1
		sleep 0.05
	done
}
# told NAME: the end of it, and what it says; the picture goes where PICTURES says
told() {
	kill -INT "$follower" 2>/dev/null || true
	wait "$follower"
	echo "== $1"
	cat "$dir/report"
	[ -z "${PICTURES:-}" ] || cp "$dir/flame.svg" "$PICTURES/breaks-$1.svg"
}

redis() {
	local cli="redis-cli -s $dir/redis.socket"
	missing redis-server && return
	redis-server --port 0 --unixsocket "$dir/redis.socket" --dir "$dir" --save "" --appendonly no >/dev/null &
	started+=($!)
	local server=$!
	until $cli ping >/dev/null 2>&1; do sleep 0.1; done
	redis-benchmark -s "$dir/redis.socket" -q -t set -n 500000 -r 500000 -d 100 -P 16 >/dev/null
	follow "$server" --top 8
	$cli bgsave >/dev/null
	redis-benchmark -s "$dir/redis.socket" -q -t set -n 500000 -r 500000 -d 100 -P 16 >/dev/null
	told redis
	kill "$server"
	wait "$server" || true
}

postgres() {
	local bin as="setpriv --reuid postgres --regid postgres --clear-groups"
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
	[ -n "$bin" ] || {
		echo "skipped: no PostgreSQL"
		return
	}
	mkdir -m 700 "$dir/pg"
	chown postgres "$dir/pg"
	(
		cd "$dir/pg"
		$as "$bin/initdb" -D "$dir/pg/data" -A trust >/dev/null
		exec $as "$bin/postgres" -D "$dir/pg/data" -c listen_addresses= -c "unix_socket_directories=$dir/pg" \
			-c shared_buffers=64MB >"$dir/pg.log" 2>&1
	) &
	started+=($!)
	local server=$!
	until $as "$bin/pg_isready" -q -h "$dir/pg"; do sleep 0.2; done
	$as "$bin/pgbench" -q -i -s 5 -h "$dir/pg" postgres >/dev/null 2>&1
	follow --tree "$server" --top 8 --seconds 4
	$as "$bin/pgbench" -c 20 -j 2 -T 6 -h "$dir/pg" postgres >/dev/null 2>&1
	told postgres
	kill -INT "$server"
	wait "$server" || true
}

python() {
	missing /usr/bin/python3 && return
	cat >"$dir/workers.py" <<'END'
import os, sys, time

class Item:
    def __init__(self, n):
        self.name, self.price = f"item {n}", n

def total(items):
    return sum(item.price for item in items)

def worker(items):
    for _ in range(3):
        total(items)
    os._exit(0)

items = [Item(n) for n in range(200_000)]
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
workers = []
for _ in range(8):
    pid = os.fork()
    if not pid:
        worker(items)
    workers.append(pid)
for pid in workers:
    os.waitpid(pid, 0)
time.sleep(60)
END
	/usr/bin/python3 "$dir/workers.py" "$dir/go" &
	started+=($!)
	local master=$!
	sleep 3
	follow "$master" --top 8
	touch "$dir/go"
	sleep 4
	told python
	kill -KILL "$master"
	wait "$master" 2>/dev/null || true
}

for program in ${*:-redis postgres python}; do
	case $program in
	redis | postgres | python) "$program" ;;
	*)
		echo "live-breaks-programs: '$program' is none of redis, postgres, python" >&2
		exit 2
		;;
	esac
done
