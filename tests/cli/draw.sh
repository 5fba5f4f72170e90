#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rmap draw from outside: formats, points, pages, what is left out, and bad input.
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
rmap=${RMAP:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}
# bad WORDS COMMAND...: exit code 2, one sentence with these words, no file left
bad() {
	local words=$1 code=0
	shift
	"$@" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = 2 ] || fail "exit code $code instead of 2: $* ($(cat "$dir/err"))"
	grep -q -e "$words" "$dir/err" || fail "'$words' is not in: $(cat "$dir/err")"
	[ ! -e "$dir/bad.svg" ] || fail "a drawing was left behind: $*"
}
# has FILE WORDS...
has() {
	local file=$1 words
	shift
	for words in "$@"; do
		grep -q -e "$words" "$file" || fail "'$words' is not in $file"
	done
}

cat >"$dir/w.rmw" <<'END'
config frames=256
process P
heap = P mmap 4p at=0x10000000 fixed
P write heap
C = P fork
C write heap
expect page C heap mapcount = 2
END

# -- the structures at a point
"$rmap" draw "$dir/w.rmw" --at 4 -o "$dir/one.dot"
has "$dir/one.dot" 'anon_vma A' 'w.rmw, line 4'
! grep -q 'anon_vma B' "$dir/one.dot" || fail "there is no second anon_vma before the fork"
"$rmap" draw "$dir/w.rmw" --at 6 -o "$dir/cow.dot"
has "$dir/cow.dot" 'anon_vma A' 'anon_vma B' 'child of A'
[ "$(grep -o '>AVC<' "$dir/cow.dot" | wc -l)" = 3 ] || fail "parent and child have three links"
# the same state is drawn alike
"$rmap" draw "$dir/w.rmw" --at 6 -o "$dir/again.dot"
cmp -s "$dir/cow.dot" "$dir/again.dot" || fail "two drawings of one state differ"
"$rmap" draw "$dir/w.rmw" --at 6 --title 'a <b> & c' -o "$dir/title.dot"
has "$dir/title.dot" 'a &lt;b&gt; &amp; c'

# -- one page
"$rmap" draw "$dir/w.rmw" --at 6 --page 'P heap' -o "$dir/page.dot"
has "$dir/page.dot" 'looks at 2 PTEs and finds 1 that maps it'

# -- many processes; a generator has operations instead of lines
"$rmap" draw fork-cow:children=20,pages=10 --at 24 --processes 3 -o "$dir/many.dot"
has "$dir/many.dot" 'Left out: ' 'more entries'

# -- pictures
if command -v dot >/dev/null; then
	"$rmap" draw "$dir/w.rmw" --at 6 -o "$dir/cow.svg"
	has "$dir/cow.svg" '<svg' '</svg>' 'AVC'
	"$rmap" draw "$dir/w.rmw" --at 6 -o "$dir/cow.png"
	[ "$(head -c 4 "$dir/cow.png" | tail -c 3)" = PNG ] || fail "cow.png is no PNG"
	bad 'cannot be written' "$rmap" draw "$dir/w.rmw" --at 6 -o "$dir/no/such/folder.svg"
fi
bad "dot cannot be run" env PATH=/nowhere "$rmap" draw "$dir/w.rmw" --at 6 -o "$dir/bad.svg"

# -- an expectation on the way fails: exit code 1
code=0
"$rmap" draw "$dir/w.rmw" -o "$dir/bad.svg" 2>"$dir/err" || code=$?
[ "$code" = 1 ] || fail "a failed expectation gave exit code $code"
has "$dir/err" 'w.rmw:7'

# -- bad input
bad 'the workload is missing' "$rmap" draw -o "$dir/bad.svg"
bad '-o FILE is missing' "$rmap" draw "$dir/w.rmw"
bad 'only one workload' "$rmap" draw "$dir/w.rmw" "$dir/w.rmw" -o "$dir/bad.svg"
bad 'must end in' "$rmap" draw "$dir/w.rmw" -o "$dir/bad.jpg"
bad 'must end in' "$rmap" draw "$dir/w.rmw" -o .svg
bad 'must be a number' "$rmap" draw "$dir/w.rmw" --at 0 -o "$dir/bad.svg"
bad 'must be a number' "$rmap" draw "$dir/w.rmw" --at -3 -o "$dir/bad.svg"
bad 'must be a number' "$rmap" draw "$dir/w.rmw" --processes x -o "$dir/bad.svg"
bad "or none is there yet" "$rmap" draw "$dir/w.rmw" --at 1 -o "$dir/bad.svg"
bad "No process is left" "$rmap" draw fork-cow:children=2,pages=2 -o "$dir/bad.svg"
bad '' "$rmap" draw "$dir/missing.rmw" -o "$dir/bad.svg"
bad '' "$rmap" draw "$dir/w.rmw" --design nonsense -o "$dir/bad.svg"
bad 'no page is mapped' "$rmap" draw "$dir/w.rmw" --at 6 --page 'P heap+3p' -o "$dir/bad.svg"
bad '' "$rmap" draw "$dir/w.rmw" --at 6 --page 'X heap' -o "$dir/bad.svg"
bad '' "$rmap" draw "$dir/w.rmw" --at 6 --page 'P' -o "$dir/bad.svg"
bad 'no address yet' "$rmap" draw "$dir/w.rmw" --at 2 --page 'P heap' -o "$dir/bad.svg"
bad 'no such process' "$rmap" draw "$dir/w.rmw" --at 4 --page 'C heap' -o "$dir/bad.svg"
bad 'knows no places' "$rmap" draw fork-cow:children=2,pages=2 --page 'P heap' -o "$dir/bad.svg"
echo "rmap draw: ok"
