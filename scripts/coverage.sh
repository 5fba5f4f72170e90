#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Measures what the tests reach of src/ (lines, branches, MC/DC) by clang-19's source coverage.
# Prints a table by file; build-coverage/html/ has the lines.
set -eu
cd "$(dirname "$0")/.."
cmake --preset coverage >/dev/null
cmake --build --preset coverage
rm -rf build-coverage/profiles
mkdir -p build-coverage/profiles
failed=0
LLVM_PROFILE_FILE=$PWD/build-coverage/profiles/%4m.profraw \
	ctest --preset coverage -j "$(nproc)" -L '^(unit|scenario|record|cli|example|fuzz)$' || failed=1

shopt -s nullglob
profiles=(build-coverage/profiles/*.profraw)
if [ ${#profiles[@]} -eq 0 ]; then
	echo "coverage: no test left a profile"
	exit 1
fi
llvm-profdata-19 merge -sparse -o build-coverage/all.profdata "${profiles[@]}"
objects=()
for program in build-coverage/rmap build-coverage/{tests,examples,fuzz}/*; do
	[ -f "$program" ] && [ -x "$program" ] && objects+=(-object "$program")
done
options=("${objects[@]:1}" -instr-profile=build-coverage/all.profdata)
llvm-cov-19 show "${options[@]}" -format=html -show-branches=count -show-mcdc \
	-output-dir=build-coverage/html src >/dev/null
llvm-cov-19 report "${options[@]}" -show-mcdc-summary src
exit "$failed"
