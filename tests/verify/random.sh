#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap verify with random operations, from outside: bad input; the same seed makes the same list; agreement; planted mistakes
# are found, shrunk and written down; an interruption leaves a summary and nothing else.
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
rmap=${RMAP:?}
source=${SOURCE:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

skip() {
	echo "skipped: $*"
	exit 77
}
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
# expect_code CODE COMMAND...
expect_code() {
	local want=$1 code=0
	shift
	"$@" >out 2>err </dev/null || code=$?
	[ "$code" = "$want" ] || fail "exit code $code instead of $want: $* ($(cat out err))"
}

# -- bad input needs no rights
for bad in --ops=0 --ops=x --ops=-1 --processes=0 --processes=33 --seeds=5 --seeds=5..4 --seeds=..4 --seconds=0 --save=; do
	case $bad in --save=) continue ;; esac
	expect_code 2 "$rmap" verify "$bad"
done
expect_code 2 "$rmap" verify --ops=10 "$source/workloads/tour.rmw"

# -- may this machine be asked?
expect_code 0 "$rmap" verify --ops=100
grep -q '^skipped: ' out && skip "$(cat out)"
grep -q '^agreed: ' out || fail "$(cat out)"

# -- agreement, with all that there is to reach
expect_code 0 "$rmap" verify --ops=3000 --processes=12 --seeds=1..4 --coverage --no-shrink --save=differs.rmw
grep -q '^agreed: .* from 4 seeds; 0 divergences' out || fail "$(cat out)"
grep -q '^reached: ' out || fail "no coverage: $(cat out)"
expect_code 0 "$rmap" verify --ops=500 --seed=9 --json
python3 - out <<'PY' || fail "$(cat out)"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["version"] == 1 and d["kernel"] and d["seed"] == 9 and d["divergences"] == 0 and d["operations"] >= 400, d
assert d["coverage"]["operations"]["fork"]["ok"] > 0
PY

# -- the seed alone decides
expect_code 0 "$rmap" verify --ops=300 --seed=5 --trace
grep -v '^agreed' out >first
expect_code 0 "$rmap" verify --ops=300 --seed=5 --trace
grep -v '^agreed' out | cmp -s - first || fail "seed 5 made two different lists"

# -- planted mistakes: found within 10,000 operations, shrunk to at most 10, and the file does it again
for mistake in merge cow errno; do
	planted=PLANTED_$mistake
	expect_code 1 "${!planted}" verify --ops=10000 --seed=2 --json --save="$mistake.rmw"
	python3 - out "$mistake" <<'PY' || fail "$mistake: $(cat out)"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["divergences"] == 1 and d["operations"] <= 10000, d
assert d["found"][0]["again"] and 0 < d["found"][0]["shrunk"] <= 10, d["found"]
assert d["found"][0]["file"] == sys.argv[2] + ".rmw"
PY
	expect_code 1 "${!planted}" verify "$mistake.rmw"
	grep -q ': differs: ' out || fail "$mistake.rmw: $(cat out)"
	expect_code 0 "$rmap" verify "$mistake.rmw"
	grep -q ': agreed: ' out || fail "$mistake.rmw without the mistake: $(cat out)"
done
# nothing is overwritten
cp errno.rmw before
expect_code 1 "$PLANTED_errno" verify --ops=10000 --seed=2 --save=errno.rmw
cmp -s errno.rmw before || fail "errno.rmw was written over"
[ -s errno.rmw.1 ] || fail "errno.rmw.1 is missing: $(ls)"

# -- interrupted: a summary, exit code 0, nothing left
"$rmap" verify --ops=100000000 --processes=8 >out 2>err </dev/null &
pid=$!
sleep 1
puppets=$(pgrep -P $pid -x rmap-puppet || true)
kill -INT $pid
wait $pid || fail "interrupted: exit code $? ($(cat out err))"
grep -q '(interrupted)$' out || fail "no summary: $(cat out err)"
for p in $puppets; do
	[ ! -d "/proc/$p" ] || fail "a puppet is left"
done
