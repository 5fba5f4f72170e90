#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Installs the Debian packages that are missing. Usage: scripts/setup.sh [build|check]
#
#   build   what `make`, `make install` and `make demo` need
#   check   the same, and what `make check`, `make fuzz`, `make coverage` and `make mutation` need (the default)
#
# When nothing is missing it asks dpkg once and is done; apt is not touched.
set -eu

build_packages=(
	build-essential cmake ninja-build pkg-config python3
	liburcu-dev libjansson-dev libtracefs-dev libtraceevent-dev libdw-dev libelf-dev libzstd-dev libxxhash-dev
	scdoc graphviz libcmocka-dev
)
check_packages=(
	clang clang-format clang-tidy gnuplot-nox valgrind
	gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu
	clang-19 llvm-19 libclang-rt-19-dev python3-clang-19
	spin
)

say() {
	printf 'setup: %s\n' "$*"
}

die() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

case ${1:-check} in
build) wanted=("${build_packages[@]}") ;;
check) wanted=("${build_packages[@]}" "${check_packages[@]}") ;;
*) die "unknown argument '$1'; use 'build' or 'check'." ;;
esac

command -v dpkg-query >/dev/null 2>&1 ||
	die "this is no Debian system (no dpkg-query): install by hand ${wanted[*]}."

# dpkg-query complains about names that it has never heard of; those are missing, too.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
	grep -qx "installed $package" <<<"$installed" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
	say "all ${#wanted[@]} packages are installed"
	exit 0
fi

say "missing: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 ||
		die "cannot install packages: neither root nor sudo. Run as root: apt-get install ${missing[*]}"
	as_root=(sudo)
	[ -t 0 ] || as_root=(sudo -n)
fi

log=$(mktemp "${TMPDIR:-/tmp}/rmap-setup.XXXXXX")
trap 'rm -f "$log"' EXIT
apt() {
	${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -q \
		-o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" >"$log" 2>&1
}

say "reading the package lists"
apt update || {
	tail -n 5 "$log" >&2
	say "cannot refresh the package lists; going on with the old ones"
}
say "installing ${#missing[@]} packages with what they depend on"
apt install -y --no-install-recommends "${missing[@]}" || {
	tail -n 15 "$log" >&2
	die "cannot install packages: apt-get failed, see above. Wanted: ${missing[*]}"
}
say "installed"
