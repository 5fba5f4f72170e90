#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The puppets' code runs where nothing else is mapped. So its object file may have no data, call nothing, and refer to nothing but
# itself. Usage: puppet.sh OBJECT
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
object=$1
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
case $(uname -m) in x86_64) ;; *)
	echo "skipped: puppets are made for x86-64"
	exit 77
	;;
esac
command -v objdump >/dev/null && command -v nm >/dev/null || {
	echo "skipped: binutils are missing"
	exit 77
}
undefined=$(nm -u "$object" | grep -v _GLOBAL_OFFSET_TABLE_ || true)
[ -z "$undefined" ] || fail "it needs $undefined"
outside=$(objdump -r -j rmap_puppet "$object" | awk '$2 ~ /^R_/ && $3 !~ /^(puppet_|rmap_puppet)/ { print $3 }')
[ -z "$outside" ] || fail "it refers to $outside"
data=$(objdump -h "$object" | awk '$2 ~ /^\.(data|bss|rodata|tdata|tbss)/ && $3 !~ /^0+$/ { print $2 }')
[ -z "$data" ] || fail "it has data in $data"
objdump -h "$object" | grep -q ' rmap_puppet ' || fail "there is no section rmap_puppet"
