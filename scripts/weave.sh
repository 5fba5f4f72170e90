#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make weave: the named scenarios and every pair of operations, exhaustively with two preemptions; then pairs and scenarios by random
# priorities, which also switch where two preemptions do not reach. WEAVE_SECONDS (3600) is shared out: half, a quarter, a quarter.
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
run() {
	if [ "$preset" = weave-tsan ]; then
		setarch -R "build-$preset/rmap-weave" "$@"
	else
		"build-$preset/rmap-weave" "$@"
	fi
}
failed=0
seed=$(date +%s)
echo "seed $seed"
run --pairs --jobs "$jobs" --state "build-$preset/weave-pairs.state" --seconds $((seconds / 2)) || failed=1
run --jobs "$jobs" --state "build-$preset/weave-scenarios.state" --seconds $((seconds / 4)) || failed=1
run --pairs --jobs "$jobs" --strategy pct --preemptions 4 --seed "$seed" --seconds $((seconds / 4)) || failed=1
exit $failed
