#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Are planted races found? planted.sh WEAVE BUILD_DIR: for each .plant beside this script the variant of rmap-weave that has it is
# run on its scenario, exhaustively or as its "how" says, and must find what its "finds" says, a regular expression: a plant that went
# wrong in another way is no proof. The ordinary rmap-weave must find nothing there. Prints how many schedules it took.
set -u
here=$(cd "$(dirname "$0")" && pwd)
weave=$1 build=$2
failed=0

printf '%-20s %-26s %-15s %10s %12s  %s\n' race scenario design schedules preemptions 'found as'
for plant in "$here"/*.plant; do
	name=$(basename "$plant" .plant)
	scenario=$(python3 "$here/plant.py" --field scenario "$plant")
	design=$(python3 "$here/plant.py" --field design "$plant")
	finds=$(python3 "$here/plant.py" --field finds "$plant")
	read -ra how < <(python3 "$here/plant.py" --field how "$plant")
	found=$("$build/rmap-weave-$name" "$scenario" --design "$design" "${how[@]}" --json)
	status=$?
	if [ $status -ne 1 ]; then
		echo "$name: not found (exit code $status)"
		failed=1
		continue
	fi
	printf '%s' "$found" | python3 -c '
import json, re, sys
r = json.load(sys.stdin)["results"][0]
print("%-20s %-26s %-15s %10d %12d  %s" % (sys.argv[1], r["scenario"], r["design"], r["found_after"] + r["pruned"], r["preemptions"],
                                          r["message"].splitlines()[0][:70]))
if not sys.argv[2] or not re.search(sys.argv[2], r["message"]):
    sys.exit("%s: found as something else than \"%s\"" % (sys.argv[1], sys.argv[2]))' "$name" "$finds" || failed=1
	if ! "$weave" "$scenario" --design "$design" "${how[@]}" >/dev/null; then
		echo "$name: its scenario finds something without it, too"
		failed=1
	fi
done
exit $failed
