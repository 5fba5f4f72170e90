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
says "none is called 'no such name'"
if [ "$(cat /proc/2/comm 2>"$dir/err")" = kthreadd ]; then
	expect_code 2 "$rmap" sharing --tree 2
	says '2 and its descendants are kernel threads'
fi
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
says "is no state that rmap sharing has saved ("
expect_code 2 "$rmap" sharing --diff "$dir/state" "$dir/none"
says "none: cannot be read: No such file"

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

# a name that means harm hides neither a row's number nor a line's end, and a thread is told from a process
python3 - >"$dir/odd" <<-'END' &
	import ctypes, mmap, os, sys, threading, time
	ctypes.CDLL(None).prctl(15, b"a\n\x1b[31mred\x07", 0, 0, 0)
	name = os.path.dirname(os.readlink("/proc/self/fd/1")) + "/new\nline"
	with open(name, "w+b") as f:
	    f.write(b"x" * 4096)
	    f.flush()
	    page = mmap.mmap(f.fileno(), 4096)
	page[0]
	threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
	print(os.getpid(), threading.enumerate()[1].native_id, flush=True)
	time.sleep(60)
END
odd=$!
until [ -s "$dir/odd" ]; do sleep 0.05; done
read -r pid tid <"$dir/odd"
expect_code 0 env COLUMNS=80 "$rmap" sharing "$pid"
shows "^ *$pid a.x0a.x1b"
! grep -q ' $' "$dir/out" || fail "blanks at the end of a line"
for columns in 40 60 75 80 120; do
	expect_code 0 script -qc "stty cols $columns; exec '$rmap' sharing --top 3 $pid" /dev/null
	wide=$(tr -d '\r' <"$dir/out" | wc -L)
	[ "$wide" -le $columns ] || fail "$wide columns on a terminal of $columns: $(cat "$dir/out")"
	shows "$pid"
done
expect_code 0 "$rmap" sharing --json "$pid"
python3 - "$dir/out" <<-'END' || fail "a newline in a file's name is no \\x0a"
	import json, sys
	sys.exit(not any(n["name"].endswith("/new\\x0aline") for n in json.load(open(sys.argv[1]))["names"]))
END
expect_code 2 "$rmap" who "$tid" 1000
says "$tid is a thread of process $pid"
expect_code 2 "$rmap" sharing "$tid"
says "$tid is a thread of process $pid"
expect_code 2 "$rmap" sharing --tree "$tid"
says "$tid is a thread of process $pid"
expect_code 2 "$rmap" who "$pid" 1000
says 'nothing is mapped there'
kill $odd

# of a file with a long name both ends are shown, and of a fork only where its parent is in the group
python3 - >"$dir/forked" <<-'END' &
	import mmap, os, time
	names = ["/_one.interpreter-3-of-a-machine.so", "/_two.interpreter-3-of-a-machine.so"]
	pages = []
	for name in names:
	    with open(os.path.dirname(os.readlink("/proc/self/fd/1")) + name, "w+b") as f:
	        f.truncate(4096)
	        pages.append(mmap.mmap(f.fileno(), 4096))
	        pages[-1][0]
	if not os.fork():
	    while os.getppid() != 1:
	        time.sleep(0.05)
	    os._exit(0)
	print(os.getpid(), flush=True)
	time.sleep(60)
END
forked=$!
until [ -s "$dir/forked" ]; do sleep 0.05; done
expect_code 0 env COLUMNS=80 "$rmap" sharing --top 0 --tree $forked
shows '^_one.interp..-machine.so '
shows '^_two.interp..-machine.so '
shows 'one more worker costs about'
expect_code 0 env COLUMNS=200 "$rmap" sharing $forked
shows 'nobody here descends from another of the group'
! grep -q -e 'one more worker' -e 'had nothing been written' "$dir/out" || fail "a fork is told of whose parent was not looked at"
kill $forked

# who may not be looked at is told from who has ended; in some containers the first process is refused even to root
if ! cat /proc/1/maps >"$dir/out" 2>"$dir/err" && "$rmap" import -o "$dir/x.rmrec" $$ >"$dir/out" 2>"$dir/err"; then
	for command in "sharing" "import -o $dir/x.rmrec"; do
		read -ra words <<<"$command"
		expect_code 2 "$rmap" "${words[@]}" 1
		says 'no process of these may be looked at: .*CAP_SYS_PTRACE'
		expect_code 0 "$rmap" "${words[@]}" $$ 1
		shows 'processes that may not be looked at (.*CAP_SYS_PTRACE.*): 1$'
	done
fi
rm -f "$dir/x.rmrec"

# a list of PIDs may be older than a process's end
sleep 0 &
ended=$!
wait $ended
expect_code 0 "$rmap" sharing $ended $$ 2147483647
says "there is no process $ended; it is left out"
says 'there is no process 2147483647; it is left out'
shows "^ *$$ "
expect_code 0 "$rmap" sharing --json $ended $$
python3 -m json.tool "$dir/out" >/dev/null || fail "sharing --json is no JSON when somebody has ended"
expect_code 2 "$rmap" sharing $ended 2147483647
says 'none of the 2 processes is there any more'
expect_code 2 "$rmap" import -o "$dir/x.rmrec" $ended 2147483647
says 'none of the 2 processes is there any more'

# where nothing can be written, that is said before the work
expect_code 2 "$rmap" sharing --save "$dir/none/state" $$
says 'none/state: cannot be written: No such file'
[ ! -s "$dir/out" ] || fail "sharing --save speaks of its file behind the work"
expect_code 2 "$rmap" sharing --save "$dir" $$
says 'Is a directory'
expect_code 2 "$rmap" import -o "$dir/none/x.rmrec" $$
says 'cannot be written'
expect_code 2 "$rmap" draw workloads/tour.rmw -o "$dir/none/x.svg"
says 'cannot be written'
expect_code 2 "$rmap" verify --ops 100 --save "$dir/none/x.rmw"
says 'cannot be written'
ln -s there "$dir/link"
expect_code 0 "$rmap" sharing --save "$dir/link" $$
[ -s "$dir/there" ] || fail "--save does not follow a link"

# what a second --tree or --match would mean is not guessed
for command in sharing "import -o $dir/x.rmrec" breaks; do
	expect_code 2 "$rmap" $command --tree $$ --tree $$
	says 'one tree'
	expect_code 2 "$rmap" $command --match a --match b
	says 'one name'
done

# who may not look says which right is missing (where this is run by root, as somebody else)
other=()
if [ "$(id -u)" = 0 ]; then
	other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
if "${other[@]}" test -x "$rmap" && ! "${other[@]}" cat /proc/1/maps >/dev/null 2>&1; then
	expect_code 2 "${other[@]}" "$rmap" sharing 1
	says 'CAP_SYS_PTRACE is missing'
	expect_code 2 "${other[@]}" "$rmap" who 1 1000
	says 'CAP_SYS_PTRACE is missing'
	expect_code 2 "${other[@]}" "$rmap" who --pfn 1000
	says 'CAP_SYS_ADMIN is missing'
fi

# again and again, until nobody is left
sleep 1.5 &
expect_code 0 timeout 20 "$rmap" sharing --watch=0.2 $!
[ "$(grep -c 'pid name' "$dir/out")" -ge 2 ] || fail "--watch shows only once"
tail -n 1 "$dir/out" | grep -q 'ended\|no process' || fail "--watch does not say why it ends"
echo "all well"
