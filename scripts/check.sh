#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# All of `make check`: installs what is missing, then lets check.py build and test. The last line of
# output is always `N passed, N failed`, with `, N skipped` when some were.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh check || {
	echo "0 passed, 1 failed"
	exit 1
}
exec python3 scripts/check.py "$@"
