#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap-weave from outside: cli.sh WEAVE BUILD_DIR. Misuse is a sentence and exit code 2; a schedule that was printed does the same
# again; equal seeds find the same.
set -u
weave=$1 build=$2
failed=0

expect() { # CODE PATTERN ARGUMENT...
	local code=$1 pattern=$2 output status
	shift 2
	output=$("$@" 2>&1)
	status=$?
	if [ $status -ne "$code" ] || ! grep -q -- "$pattern" <<<"$output"; then
		printf '%s\nexit code %d, not %d, or no "%s" in:\n%s\n' "$*" $status "$code" "$pattern" "$output"
		failed=1
	fi
}

expect 2 'no scenario' "$weave" fork+nonsense
expect 2 'no scenario' "$weave" fork+fork+fork+fork
expect 2 'no design' "$weave" fork-walk -d nonsense
expect 2 'no strategy' "$weave" fork-walk --strategy nonsense
expect 2 'not a number' "$weave" fork-walk --executions -3
expect 2 'one scenario and one design' "$weave" fork-walk --schedule 'a1'
expect 2 'not a schedule' "$weave" fork-walk -d lineage --schedule 'a1 x9'
expect 2 'not a schedule' "$weave" fork-walk -d lineage --schedule 'a'
expect 0 '0 wrong' "$weave" fork-walk -d lineage --schedule 'a1000000'
expect 0 'two-faults' "$weave" --list
expect 0 '"wrong": 0' "$weave" two-faults -d lineage --json

# Results are kept: the same command runs nothing again, whoever works at it; another one begins anew; what is no such file stays as it is.
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
expect 2 'From 1 to' "$weave" two-faults --jobs 0
expect 0 '2 cases.* 0 cut short.* 0 wrong' "$weave" two-faults fork-walk -d anon_vma --jobs 2 --state "$kept/state"
head -n -1 "$kept/state" >"$kept/less"
printf '{"scenario": "fork-w' >>"$kept/less"
expect 0 '2 cases.* 0 cut short.* 0 wrong' "$weave" two-faults fork-walk -d anon_vma --state "$kept/less"
cmp <(sed 's/"seconds":[^,]*//' "$kept/state" | sort) <(sed 's/"seconds":[^,]*//' "$kept/less" | sort) || failed=1
cp "$kept/state" "$kept/before"
expect 0 '2 cases.* 0 wrong' "$weave" two-faults fork-walk -d anon_vma --jobs 2 --state "$kept/state"
cmp <(sort "$kept/state") <(sort "$kept/before") || failed=1 # equal seconds: nothing ran again; the lines are in the order of their ends
expect 0 'begins anew' "$weave" two-faults -d anon_vma --preemptions 1 --state "$kept/state"
echo 'not results' >"$kept/other"
expect 2 'no file of results' "$weave" two-faults --state "$kept/other"
expect 2 'cannot be written' "$weave" two-faults --state "$kept/nowhere/state"
# One in which a worker finds something says so as one alone does.
expect 1 '1 wrong' "$build/rmap-weave-lost-busy" mremap+walk-a0 two-faults -d anon_vma_chain --jobs 2

# What is given up is no loss: all without it has no class of interleavings more.
for scenario in two-faults fork+walk-a4 mremap+walk-a0 munmap-walk; do
	few=$("$weave" $scenario -d anon_vma --preemptions 2 --json)
	all=$("$weave" $scenario -d anon_vma --preemptions 2 --all --json)
	python3 -c '
import json, sys
few, all = (json.loads(text)["results"][0] for text in sys.argv[1:])
assert few["complete"] and all["complete"], "cut short"
assert few["distinct"] == all["distinct"] and few["executions"] <= all["executions"], (few, all)' "$few" "$all" || failed=1
done

planted="$build/rmap-weave-lost-busy"
one=$("$planted" mremap+walk-a0 -d anon_vma_chain --json)
two=$("$planted" mremap+walk-a0 -d anon_vma_chain --json)
shrunk=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["results"][0]["shrunk"])' "$one")
again=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["results"][0]["shrunk"])' "$two")
if [ -z "$shrunk" ] || [ "$shrunk" != "$again" ]; then
	echo "two searches found '$shrunk' and '$again'"
	failed=1
fi
expect 1 'a walk missed' "$planted" mremap+walk-a0 -d anon_vma_chain --schedule "$shrunk"
expect 0 '0 wrong' "$weave" mremap+walk-a0 -d anon_vma_chain --schedule "$shrunk"
for strategy in pct random; do
	expect 1 'a walk missed' "$planted" mremap+walk-a0 -d anon_vma_chain --strategy $strategy --seed 5
done
exit $failed
