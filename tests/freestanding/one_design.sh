#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every design alone, -DRMAP_ONLY_DESIGN: compiles without a warning, and page events call it directly.
# Usage: one_design.sh COMPILER SOURCE
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
compiler=$1
cd "$2"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

flags=(-O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Iinclude -Isrc)
# An indirect call within the function: callbacks of the port but for panic stand at other places of its table.
body() {
	objdump -d --no-show-raw-insn "$1" | sed -n "/<$2>:/,/^\$/p"
}
mapfile -t fixed < <(grep -v '^#' cmake/freestanding-flags.txt)
designs=$(sed -n 's/^extern const struct rmap_ops rmap_\([a-z_]*\);.*/\1/p' include/rmap/rmap.h)
[ "$(echo "$designs" | wc -l)" -ge 7 ]
for design in $designs; do
	"$compiler" "${flags[@]}" ${fixed[@]} "-DRMAP_ONLY_DESIGN=$design" -c src/rmap/one_design.c -o "$dir/$design.o"
	"$compiler" "${flags[@]}" ${fixed[@]} "-DRMAP_ONLY_DESIGN=$design" -c src/rmap/design.c -o "$dir/design.o"
	if nm "$dir/design.o" | grep ' U rmap_' | grep -v " U rmap_$design\$"; then
		echo "FAILED: design.c names others than $design" >&2
		exit 1
	fi
done
# anon_vma_chain has nothing to do where a page is unmapped: what is left of the function is panic's calls.
if body "$dir/anon_vma_chain.o" rmap_unreserve | grep -q 'call\|jmp.*\*'; then
	echo "FAILED: an event that the design does not care for is not gone" >&2
	exit 1
fi
