#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Shows what rmap does, in less than a minute: replays a recorded Redis and the large fork workloads
# with the checker on, and draws the structures. Drawings land in build/demo/.
set -eu
cd "$(dirname "$0")/.."
rmap=$PWD/build/rmap
out=build/demo
start=$SECONDS

[ -x "$rmap" ] || {
	echo "demo: there is no build/rmap; run make first" >&2
	exit 1
}
mkdir -p "$out"

step() {
	printf '\n=== %s\n' "$1"
	shift
	printf '$ rmap %s\n' "$*"
	"$rmap" "$@"
}

step "A recorded Redis saves in the background while it is written to" \
	run workloads/records/redis.rmrec --check
step "1,000 children of a parent with 1,000 pages, each writes all (frames without contents)" \
	run fork-cow:children=1000,pages=1000 --phantom --check
step "200 children with contents" \
	run fork-cow:children=200,pages=1000 --check

printf '\n=== Drawings\n'
RMAP=$rmap scripts/draw-all.sh "$out"
printf '\ndone in %d s\n' $((SECONDS - start))
