#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Installs to a prefix of its own, moves it elsewhere, and builds consumer.c on it: by pkg-config and
# by find_package; and an example with the hosted port, in a project that has this tree in itself. Usage: test.sh BUILD_FOLDER
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
here=$(cd "$(dirname "$0")" && pwd)
build=$1
if [ ! -e "$build/librmap.a" ] || [ ! -e "$build/libmm.a" ]; then
	echo "skipped: the libraries are not built"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name rmap.pc)")
export PKG_CONFIG_PATH
pkg-config --exact-version="$(pkg-config --modversion rmap)" libmm
read -ra flags <<<"$(pkg-config --cflags --libs libmm)"
cc -std=c11 -Wall -Wextra -Werror -o "$work/by-pkg-config" "$here/consumer.c" "${flags[@]}"
"$work/by-pkg-config"

cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log"
cmake --build "$work/cmake" >>"$work/cmake.log"
"$work/cmake/consumer"

mkdir "$work/within"
cat >"$work/within/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(within C)
add_subdirectory("$(dirname "$(dirname "$here")")" rmap)
add_executable(run_tier2 "$here/../../examples/run_tier2.c")
target_link_libraries(run_tier2 PRIVATE rmap::hosted)
END
cmake -S "$work/within" -B "$work/within/build" -DCMAKE_BUILD_TYPE=Debug >"$work/within.log"
cmake --build "$work/within/build" --target run_tier2 -j2 >>"$work/within.log"
"$work/within/build/run_tier2" | grep -q '2 found'

# Each public header stands by itself.
for header in "$prefix"/include/rmap/*.h; do
	echo "#include <rmap/$(basename "$header")>" |
		cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$prefix/include" -x c -
done

if [ -e "$build/rmap" ]; then
	"$prefix/bin/rmap" --help >/dev/null
fi
for page in "$build"/man/*; do
	[ -e "$page" ] || continue
	[ -s "$prefix/share/man/man${page##*.}/$(basename "$page")" ] || {
		echo "the man page $(basename "$page") is not installed"
		exit 1
	}
done
