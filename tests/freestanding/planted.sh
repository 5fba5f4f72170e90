#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Tests the check itself: it must pass planted/clean.c, and must name what is wrong in each of the
# others. Usage: planted.sh COMPILER
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
compiler=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mapfile -t flags <"$root/cmake/freestanding-flags.txt"
flags+=(-I "$root/src")

failed=0
for source in "$here"/planted/*.c; do
	name=$(basename "$source" .c)
	"$compiler" "${flags[@]}" -O2 -c -o "$work/$name.o" "$source"
	ar rcs "$work/lib$name.a" "$work/$name.o"
	code=0
	"$root/scripts/freestanding.sh" check "$work/lib$name.a" >"$work/$name.log" 2>&1 || code=$?
	case $name in
	clean) want=0 word='no writable data' ;;
	libc) want=1 word='puts' ;;
	libgcc) want=1 word='__udivti3' ;;
	*) want=1 word='counter' ;;
	esac
	if [ "$code" -ne "$want" ] || ! grep -q "$word" "$work/$name.log"; then
		echo "$name: exit code $code instead of $want, or no word of '$word':"
		cat "$work/$name.log"
		failed=1
	fi
done
exit "$failed"
