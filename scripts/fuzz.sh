#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Fuzzes: each target (or those named) for FUZZ_SECONDS (60), two at a time. New inputs are kept in
# build-fuzz/corpus/NAME, crashing ones in build-fuzz/crashes/NAME; fuzz/corpus/NAME gives the first.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
	for source in fuzz/fuzz_*.c; do
		[ -e "$source" ] || continue
		name=$(basename "$source" .c)
		targets+=("${name#fuzz_}")
	done
fi
if [ ${#targets[@]} -eq 0 ]; then
	echo "fuzz: there are no fuzz targets"
	exit 0
fi

one() {
	local name=$1 work=build-fuzz/corpus/$1 crashes=build-fuzz/crashes/$1 options=()
	mkdir -p "$work" "$crashes"
	[ -e "fuzz/$name.dict" ] && options+=("-dict=fuzz/$name.dict")
	[ -d "fuzz/corpus/$name" ] && options+=("fuzz/corpus/$name")
	echo "fuzz: $name for $seconds s"
	if ! "build-fuzz/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$crashes/" "$work" ${options[@]+"${options[@]}"} \
		>"build-fuzz/$name.log" 2>&1; then
		tail -n 40 "build-fuzz/$name.log"
		echo "fuzz: $name fell over; the input is in $crashes"
		return 1
	fi
	sed -n 's/^stat::number_of_executed_units: */fuzz: '"$name"': inputs run: /p' "build-fuzz/$name.log"
}
export -f one
export seconds
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P 2 bash -euc 'one "$1"' one
