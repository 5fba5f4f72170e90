#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Draws what the workloads ask for, into docs/img/ or the folder given. Usage: scripts/draw-all.sh [FOLDER]
#
# A comment `# draw: NAME -- TITLE` in a workload asks for NAME.svg of the state at its line;
# `# draw: NAME page=WHERE -- TITLE` for that page only. The command is $RMAP or build/rmap.
set -eu
cd "$(dirname "$0")/.."
rmap=${RMAP:-$PWD/build/rmap}
out=${1:-docs/img}

[ -x "$rmap" ] || {
	echo "draw-all: there is no $rmap; run make first" >&2
	exit 1
}
mkdir -p "$out"
drawn=0
while IFS=: read -r file line text; do
	text=${text#*# draw: }
	read -r name page <<<"${text%% -- *}"
	options=(--title "${text#* -- }")
	[ -z "$page" ] || options+=(--page "${page#page=}")
	"$rmap" draw "$file" --at "$line" "${options[@]}" -o "$out/$name.svg"
	printf '%-40s %s, line %s\n' "$out/$name.svg" "$file" "$line"
	drawn=$((drawn + 1))
done < <(grep -rHn --include='*.rmw' '# draw: .* -- ' workloads | sort -t : -k 1,1 -k 2,2n)
if [ "$drawn" -eq 0 ]; then
	echo "draw-all: no workload asks for a drawing" >&2
	exit 1
fi
