#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The options of every command, with arguments that no option was meant for: see options.py. OPTIONS_SEED and OPTIONS_LINES try others.
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
commands=(run compare draw verify record who sharing import breaks stress)
# The museum is a program of its own, which not every build has.
[ ! -x "$(dirname "$rmap")/rmap-museum" ] || commands+=(bugs)
for command in "${commands[@]}"; do
	expect_code 0 "$rmap" "$command" --help
done
cd "$dir"
python3 -B "$here/options.py" "$rmap" "${OPTIONS_SEED:-1}" "${OPTIONS_LINES:-100}"
