#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Draws what the workloads ask for, into docs/img/ or the folder given. Usage: scripts/draw-all.sh [FOLDER]
#
# A comment `# draw: NAME -- TITLE` in a workload asks for NAME.svg of the state at its line;
# `# draw: NAME page=WHERE -- TITLE` for that page only; `# draw: NAME-* -- TITLE` for NAME-DESIGN.svg of each design, whose title
# begins with the design's name. The command is $RMAP or build/rmap.
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
# draw FILE LINE NAME OPTION...
draw() {
	local file=$1 line=$2 name=$3
	shift 3
	"$rmap" draw "$file" --at "$line" "$@" -o "$out/$name.svg"
	printf '%-40s %s, line %s\n' "$out/$name.svg" "$file" "$line"
	drawn=$((drawn + 1))
}
while IFS=: read -r file line text; do
	text=${text#*# draw: }
	read -r name page <<<"${text%% -- *}"
	title=${text#* -- }
	options=()
	[ -z "$page" ] || options+=(--page "${page#page=}")
	case $name in
	*-\*)
		for design in docs/designs/*.md; do
			design=$(basename "$design" .md)
			draw "$file" "$line" "${name%\*}$design" --design "$design" \
				--title "$design: ${title,}" "${options[@]}"
		done
		;;
	*) draw "$file" "$line" "$name" --title "$title" "${options[@]}" ;;
	esac
done < <(grep -rHn --include='*.rmw' '# draw: .* -- ' workloads | sort -t : -k 1,1 -k 2,2n)
if [ "$drawn" -eq 0 ]; then
	echo "draw-all: no workload asks for a drawing" >&2
	exit 1
fi
