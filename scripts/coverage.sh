#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Measures what the tests reach of src/ (lines, branches, MC/DC) by clang-19's source coverage, and holds it against the goals:
# tests/coverage/coverage.py. What is given goes to it; --help lists it.
set -eu
cd "$(dirname "$0")/.."
cmake --preset coverage >/dev/null
cmake --build --preset coverage
exec python3 tests/coverage/coverage.py "$@"
