#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Formats all C files by .clang-format; with --check it changes nothing and says which are not so.
set -eu
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null 2>&1 || {
	echo "skipped: no clang-format on this machine"
	exit 77
}
mapfile -d '' files < <(find bench examples fuzz include museum port src tests tools -name '*.[ch]' \
	-print0 2>/dev/null | sort -z)
[ ${#files[@]} -gt 0 ] || exit 0
case ${1:-} in
'')
	clang-format -i "${files[@]}"
	;;
--check)
	bad=()
	for file in "${files[@]}"; do
		clang-format "$file" | cmp -s - "$file" || bad+=("$file")
	done
	if [ ${#bad[@]} -gt 0 ]; then
		printf 'not formatted (run make format): %s\n' "${bad[@]}"
		exit 1
	fi
	echo "${#files[@]} files are formatted"
	;;
*)
	echo "format: use: format.sh [--check]" >&2
	exit 2
	;;
esac
