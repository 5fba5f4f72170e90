#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap who, sharing and import from outside, as far as that needs no rights: bad input, a /proc that is none, states that are none.
. "$(dirname "$0")/common.sh"

for command in who sharing import; do
	expect_code 2 "$rmap" $command
	expect_code 2 "$rmap" $command --no-such-option
	expect_code 0 "$rmap" $command --help
	shows '^  rmap '
	expect_code 2 "$rmap" $command -- ''
	expect_code 2 "$rmap" $command -- 0
	expect_code 2 "$rmap" $command -- -1
	expect_code 2 "$rmap" $command -- "$(printf '\033[31m')"
	! grep -q "$(printf '\033')" "$dir/err" || fail "$command obeys its arguments"
done
expect_code 2 "$rmap" who 1
expect_code 2 "$rmap" who 1 1000 2000
expect_code 2 "$rmap" who 1 nowhere
expect_code 2 "$rmap" who 1 ''
expect_code 2 "$rmap" who 1 -1000
expect_code 2 "$rmap" who 1 ffffffffffffffff
expect_code 2 "$rmap" who 1 11112222333344445
expect_code 2 "$rmap" who --pfn
expect_code 2 "$rmap" who --pfn x
expect_code 2 "$rmap" who --pfn 99999999999999999999
expect_code 2 "$rmap" who --pfn 0xffffffffffffffff
expect_code 2 "$rmap" who --pfn 5 1 1000
expect_code 2 "$rmap" who 2147483647 1000
says 'there is no process 2147483647'
expect_code 2 "$rmap" who --proc "$dir/nowhere" 1 1000
expect_code 2 "$rmap" who --proc "$dir" 1 1000

expect_code 2 "$rmap" sharing 2147483647
expect_code 2 "$rmap" sharing --tree x
expect_code 2 "$rmap" sharing --tree 2147483647
expect_code 2 "$rmap" sharing --match 'no such name'
says 'no process is meant'
expect_code 2 "$rmap" sharing --watch=0 1
expect_code 2 "$rmap" sharing --watch=x 1
expect_code 2 "$rmap" sharing --json --csv 1
expect_code 2 "$rmap" sharing --top -1 1
expect_code 2 "$rmap" sharing --proc "$dir" 1
expect_code 2 "$rmap" sharing --diff
expect_code 2 "$rmap" sharing --diff "$dir/one"
expect_code 2 "$rmap" sharing --diff "$dir/one" "$dir/two" "$dir/three"
for state in '' '{' '[]' '{"version": 2}' '{"version": 1, "total": 1, "names": [], "processes": []}' \
	'{"version": 1, "total": {}, "names": {}, "processes": []}'; do
	printf '%s' "$state" >"$dir/state"
	expect_code 2 "$rmap" sharing --diff "$dir/state" "$dir/state"
done
cat >"$dir/state" <<-END
	{"version": 1, "total": {"private": "x", "pss": 9223372036854775807}, "processes": [],
	"names": [5, {"name": 5}, {"name": "a", "private": -9223372036854775808}, {"name": "a", "private": 4096}]}
END
expect_code 0 "$rmap" sharing --diff "$dir/state" "$dir/state"
shows 'processes: 0, then 0'
mkfifo "$dir/fifo"
expect_code 2 timeout 20 "$rmap" sharing --diff "$dir" "$dir/state"

expect_code 2 "$rmap" import $$
says '-o FILE is missing'
expect_code 2 "$rmap" import -o "$dir/x.rmrec"
expect_code 2 "$rmap" import -o "$dir/x.rmrec" 2147483647
expect_code 2 "$rmap" import -o "$dir/x.rmrec" --match 'no such name'
[ ! -e "$dir/x.rmrec" ] || fail "a record of nobody was written"

# one's own processes need no rights for what they say without frames
expect_code 0 "$rmap" sharing $$
shows 'private'
expect_code 0 "$rmap" sharing --json $$
python3 -m json.tool "$dir/out" >/dev/null || fail "sharing --json is no JSON"
expect_code 0 "$rmap" sharing --csv $$
head -n 1 "$dir/out" | grep -q '^pid,comm,start,end,perms,name,' || fail "no heading in CSV"

# again and again, until nobody is left
sleep 1.5 &
expect_code 0 timeout 20 "$rmap" sharing --watch=0.2 $!
[ "$(grep -c 'pid name' "$dir/out")" -ge 2 ] || fail "--watch shows only once"
tail -n 1 "$dir/out" | grep -q 'ended\|no process' || fail "--watch does not say why it ends"
echo "all well"
