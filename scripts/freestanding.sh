#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Checks that librmap and libmm are freestanding. Both go into kernels, so together they may need
# four functions of the embedder (memcpy, memmove, memset, memcmp) and nothing else: no libc, no
# libgcc or libatomic helper, no stack protector; and they hold no writable data, so that many
# instances can live in one process.
#
#   freestanding.sh check ARCHIVE...       checks archives that are there
#   freestanding.sh build COMPILER FOLDER  compiles src/ with COMPILER into FOLDER, then checks
#
# CROSS, taken from a COMPILER such as aarch64-linux-gnu-gcc, is the prefix of ld, nm and readelf.
# Exit code: 0 freestanding, 1 not, 2 wrong use, 77 nothing to check.
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/.." && pwd)
cross=${CROSS:-}

die() {
	printf 'freestanding: %s\n' "$*" >&2
	exit 2
}

check() {
	local bad=0 # work stays for the trap
	# Beside the archives if possible: what a kill leaves there goes with them.
	work=$(mktemp -d "$(dirname "$1")/freestanding.XXXXXX" 2>/dev/null) ||
		work=$(mktemp -d "${TMPDIR:-/tmp}/rmap-freestanding.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	"${cross}ld" -r -o "$work/whole.o" --whole-archive "$@" || {
		echo "freestanding: the archives cannot be linked together: $*" >&2
		exit 1
	}

	"${cross}nm" -u "$work/whole.o" | awk '{ print $NF }' | sort -u >"$work/undefined"
	grep -vxE 'memcpy|memmove|memset|memcmp' "$work/undefined" >"$work/foreign" || true
	if [ -s "$work/foreign" ]; then
		echo "freestanding: undefined symbols other than memcpy, memmove, memset, memcmp:"
		while read -r symbol; do
			echo "  $symbol, wanted by:"
			"${cross}nm" -uA "$@" 2>/dev/null | awk -v s="$symbol" '$NF == s { print "    " $1 }' | sort -u
		done <"$work/foreign"
		bad=1
	fi

	# Allocated and writable sections that hold something. Tables of pointers are writable only
	# while they are relocated, and stand in .data.rel.ro.
	"${cross}readelf" -SW "$work/whole.o" | sed -n 's/^ *\[ *\([0-9]*\)\] */\1 /p' |
		awk '$2 !~ /^\.data\.rel\.ro/ && $6 !~ /^0+$/ && $8 ~ /W/ && $8 ~ /A/ { print $1, $2 }' \
			>"$work/sections"
	if [ -s "$work/sections" ]; then
		echo "freestanding: writable data:"
		while read -r number name; do
			echo "  section $name holds:"
			"${cross}readelf" -sW "$work/whole.o" |
				awk -v n="$number" '$7 == n && $4 == "OBJECT" || $7 == n && $4 == "TLS" { print "    " $8 " (" $3 " bytes)" }'
		done <"$work/sections"
		bad=1
	fi
	if [ "$bad" -ne 0 ]; then
		exit 1
	fi
	printf 'freestanding: %s: undefined: %s; no writable data\n' "$*" \
		"$(paste -sd' ' "$work/undefined")"
}

build() {
	local compiler=$1 folder=$2 headers flags sources=() objects=() source
	command -v "$compiler" >/dev/null 2>&1 || {
		echo "skipped: no $compiler on this machine"
		exit 77
	}
	mapfile -t sources < <(find "$root"/src/{base,rmap,mm} -maxdepth 1 -name '*.c' 2>/dev/null | sort)
	if [ ${#sources[@]} -eq 0 ]; then
		echo "skipped: src/ holds no C files"
		exit 77
	fi

	mapfile -t flags < <(cat "$root"/cmake/{freestanding,warning}-flags.txt)
	flags+=(-Werror -O2 -I "$root/include" -I "$root/src")
	case $compiler in
	*-gcc) cross=${compiler%gcc} ;;
	esac
	case $("$compiler" -dumpmachine) in
	aarch64*) flags+=(-mno-outline-atomics) ;;
	esac
	# Only the compiler's own headers can be seen: stdint.h and the like, nothing of a libc.
	case $compiler in
	*clang*) headers=$("$compiler" -print-resource-dir)/include ;;
	*) headers=$("$compiler" -print-file-name=include) ;;
	esac
	flags+=(-nostdinc -isystem "$headers")

	rm -rf "$folder"
	mkdir -p "$folder"
	# shellcheck disable=SC2016 # the inner shell expands these
	printf '%s\0' "${sources[@]}" |
		xargs -0 -n 1 -P "$(nproc)" bash -c '
			folder=$1 source=${!#}
			room=$(basename "$(dirname "$source")")
			exec "${@:2:$#-2}" -c -o "$folder/$room-$(basename "$source" .c).o" "$source"
		' compile "$folder" "$compiler" "${flags[@]}" || {
		echo "freestanding: $compiler cannot compile src/, see above" >&2
		exit 1
	}
	for source in "$folder"/mm-*.o; do
		[ -e "$source" ] && objects+=("$source")
	done
	find "$folder" -name '*.o' ! -name 'mm-*' -print0 | sort -z |
		xargs -0 -r "${cross}ar" rcs "$folder/librmap.a"
	set -- "$folder/librmap.a"
	if [ ${#objects[@]} -gt 0 ]; then
		"${cross}ar" rcs "$folder/libmm.a" "${objects[@]}"
		set -- "$@" "$folder/libmm.a"
	fi
	check "$@"
}

case ${1:-} in
check)
	shift
	[ $# -gt 0 ] || die "check wants archives."
	for archive; do
		[ -r "$archive" ] || die "cannot read $archive."
	done
	check "$@"
	;;
build)
	[ $# -eq 3 ] || die "build wants a compiler and a folder."
	build "$2" "$3"
	;;
*)
	die "use: freestanding.sh check ARCHIVE... | build COMPILER FOLDER"
	;;
esac
