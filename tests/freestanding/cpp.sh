#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Whoever includes a header in C++ is told that it is C, and nothing else: one error, and the end of it.
# Usage: cpp.sh COMPILER SOURCE
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
compiler=$1
command -v "$compiler" >/dev/null || exit 77
cd "$2"
out=$(mktemp)
trap 'rm -f "$out"' EXIT

for header in include/rmap/*.h; do
	if echo "#include <rmap/${header##*/}>" | LC_ALL=C "$compiler" -std=c++17 -Iinclude -xc++ -fsyntax-only - 2>"$out"; then
		echo "FAILED: $header compiles as C++: then say so in docs/interface.md" >&2
		exit 1
	fi
	if [ "$(grep -c 'error: ' "$out")" -ne 2 ] || ! grep -q "error: .*rmap's headers are C11" "$out" ||
		! grep -q 'fatal error: .*rmap/headers-are-C' "$out"; then
		echo "FAILED: $header says in C++:" >&2
		head -20 "$out" >&2
		exit 1
	fi
done
