#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make weave: the named scenarios and every pair of operations, exhaustively with two preemptions; then pairs and scenarios by random
# priorities, which also switch where two preemptions do not reach. WEAVE_SECONDS (3600) is shared out: half, a quarter, a quarter, and
# of each part a fifth for the design scan, which has page tables with 128 entries (rmap-weave-small), since it passes by every entry.
# Results of the first two are kept beside the program: what is broken off, or had too little time, goes on with the next run.
# WEAVE_JOBS: so many at a time, as many as there are processors if it is not given.
# WEAVE_PRESET: weave, weave-tsan (each schedule checked for data races) or weave-asan.
set -eu
cd "$(dirname "$0")/.."
seconds=${WEAVE_SECONDS:-3600}
preset=${WEAVE_PRESET:-weave}
jobs=${WEAVE_JOBS:-$(nproc)}
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
weave() {
	if [ "$preset" = weave-tsan ]; then
		setarch -R "build-$preset/$program" "$@"
	else
		"build-$preset/$program" "$@"
	fi
}
failed=0
seed=$(date +%s)
echo "seed $seed"
# explore PROGRAM STATE FIFTHS DESIGN-OPTION...
explore() {
	program=$1 state=build-$preset/$2 part=$(((seconds * $3 + 19) / 20)) # 0 would be no limit
	shift 3
	weave "$@" --pairs --jobs "$jobs" --state "$state-pairs.state" --seconds $((part * 2)) || failed=1
	weave "$@" --jobs "$jobs" --state "$state-scenarios.state" --seconds "$part" || failed=1
	weave "$@" --pairs --jobs "$jobs" --strategy pct --preemptions 4 --seed "$seed" --seconds "$part" || failed=1
}
explore rmap-weave weave 4 -d lineage -d cow_context -d anon_vma_chain -d anon_vma -d anonmm -d pte_chain
explore rmap-weave-small weave-scan 1 -d scan
exit $failed
