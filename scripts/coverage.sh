#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Measures what the tests reach of src/ (lines, branches, MC/DC) by clang-19's source coverage, and holds it against the goals:
# tests/coverage/coverage.py. What is given goes to it; --help lists it.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build-coverage
clang-19 -O1 -fPIC -c -o build-coverage/exit.o tests/coverage/exit.c
cmake --preset coverage -DCMAKE_EXE_LINKER_FLAGS="-fprofile-instr-generate $PWD/build-coverage/exit.o" >/dev/null
if ! cmake --build --preset coverage >build-coverage/build.log 2>&1; then
	tail -n 30 build-coverage/build.log
	echo "coverage: it does not build, see build-coverage/build.log"
	exit 1
fi
exec python3 tests/coverage/coverage.py "$@"
