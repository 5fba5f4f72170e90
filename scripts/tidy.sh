#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Runs clang-tidy by .clang-tidy over all C files of src/, port/ and tools/ (or those named).
set -eu
cd "$(dirname "$0")/.."
cmake --preset clang >/dev/null
files=("$@")
if [ ${#files[@]} -eq 0 ]; then
	mapfile -t files < <(find src port tools -name '*.c' 2>/dev/null | sort)
fi
if [ ${#files[@]} -eq 0 ]; then
	echo "tidy: there are no C files"
	exit 0
fi
printf '%s\0' "${files[@]}" |
	xargs -0 -n 1 -P "$(nproc)" clang-tidy -p build-clang --quiet --warnings-as-errors='*'
