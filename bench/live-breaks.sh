#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What `rmap breaks` costs a Redis that saves in the background while it is written to, and whether it misses anything: by Redis's own
# benchmark, in rounds that are followed and rounds that are not, by turns, in one run. Exit code 1: more than 10 %, or an event lost.
#
#   RMAP=build/rmap ROUNDS=8 bench/live-breaks.sh
set -eu
cd "$(dirname "$0")/.."
rmap=${RMAP:-build/rmap}
rounds=${ROUNDS:-8}
keys=${KEYS:-1000000}
requests=${REQUESTS:-1000000}

skip() {
	echo "skipped: $*"
	exit 77
}
for program in redis-server redis-cli redis-benchmark; do
	command -v "$program" >/dev/null || skip "no $program (apt-get install redis-server redis-tools)"
done
[ "$(id -u)" = 0 ] || skip "following a process needs root"

dir=$(mktemp -d)
redis=
finish() {
	[ -z "$redis" ] || kill "$redis" 2>/dev/null || true
	[ -z "$redis" ] || wait "$redis" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

redis-server --port 0 --unixsocket "$dir/socket" --dir "$dir" --save "" --appendonly no >"$dir/log" &
redis=$!
cli() {
	redis-cli -s "$dir/socket" "$@"
}
for _ in $(seq 100); do
	cli ping >/dev/null 2>&1 && break
	sleep 0.1
done
# load REQUESTS: sets of 100 bytes to random keys; prints requests a second
load() {
	redis-benchmark -s "$dir/socket" --csv -t set -n "$1" -r "$keys" -d 100 -P 16 |
		awk -F '"' '$2 == "SET" { print $4 }'
}
# Ticks of processor time that the server has used.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$redis/stat"
}
saved() {
	while cli info persistence | grep -q 'rdb_bgsave_in_progress:1'; do
		sleep 0.1
	done
}

load "$keys" >/dev/null
"$rmap" breaks --seconds 1 -q -o "$dir/first" "$redis" || skip "$rmap breaks does not run here"
for round in $(seq "$rounds"); do
	for kind in without with; do
		saved
		if [ $kind = with ]; then
			: >"$dir/err"
			"$rmap" breaks --json -o "$dir/json.$round" "$redis" 2>"$dir/err" &
			follower=$!
			until grep -q following "$dir/err"; do
				kill -0 "$follower" || exit 1
				sleep 0.05
			done
		fi
		before=$(ticks)
		cli bgsave >/dev/null
		load "$requests" >>"$dir/$kind"
		echo $(($(ticks) - before)) >>"$dir/$kind.ticks"
		if [ $kind = with ]; then
			kill -INT "$follower"
			wait "$follower"
		fi
	done
done

python3 - "$dir" "$rounds" <<'END'
import json, statistics, sys
dir, rounds = sys.argv[1], int(sys.argv[2])
speeds = {k: [float(x) for x in open(f"{dir}/{k}")] for k in ("without", "with")}
runs = [json.load(open(f"{dir}/json.{i + 1}")) for i in range(rounds)]
middle = {k: statistics.median(v) for k, v in speeds.items()}
slower = 100 * (1 - middle["with"] / middle["without"])
lost = sum(r["lost"] for r in runs)
print(f"rounds                 {rounds} followed, {rounds} not, by turns; each a save and its writes")
for k in ("without", "with"):
    v = speeds[k]
    print(f"{k + ' rmap breaks':22} {middle[k]:,.0f} requests a second (median; {min(v):,.0f} to {max(v):,.0f})")
print(f"slower by              {slower:.1f} %")
ticks = {k: statistics.median(float(x) for x in open(f"{dir}/{k}.ticks")) for k in speeds}
more = 100 * (ticks["with"] / ticks["without"] - 1)
print(f"the server's time      {more:+.1f} % of processor time (median; that is not disturbed by what else runs)")
print(f"pages whose sharing broke, a round   {statistics.median(r['pages'] for r in runs):,.0f}")
print(f"events                 {sum(r['events'] for r in runs):,} taken, {lost:,} lost")
print(f"rmap's own time        {statistics.median(r['own_cpu_seconds'] for r in runs):.2f} s of processor time a round of {statistics.median(r['seconds'] for r in runs):.1f} s")
sys.exit(1 if lost or slower > 10 else 0)
END
