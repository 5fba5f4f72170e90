#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# agree.sh RMAP FILE [OPTION]: the kernel that runs must agree with the engine on this workload. 77: it cannot be asked.
release=$(uname -r)
oldest=$(printf '%s\n%s\n' 6.17 "$release" | sort -V | head -n 1)
if [ "$oldest" != 6.17 ]; then
	echo "skipped: the expectations are of Linux 6.18, this is $release"
	exit 77
fi
said=$("$1" verify ${3:+"$3"} "$2" 2>&1)
code=$?
printf '%s\n' "$said"
case $said in *": skipped: "*) [ $code -ne 0 ] || exit 77 ;; esac
exit $code
