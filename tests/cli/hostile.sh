#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Whatever it is given, rmap answers with a sentence and exit code 2 (or 1: it was carried out, and an expectation failed):
# no crash, no hang, no memory without bound, nothing left behind.
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
rmap=${RMAP:?}
source=${SOURCE:?}
dir=$(mktemp -d)
export TMPDIR=$dir/tmp # so that what stays behind is seen
mkdir "$TMPDIR"
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}
# refused CODE PATTERN ARGUMENT...: rmap exits with CODE, within seconds, with a sentence that has PATTERN and names nothing
# that only a programmer would want to know. Virtual memory is bounded, but for sanitizers, which reserve terabytes.
refused() {
	local want=$1 pattern=$2 code=0 words
	shift 2
	words="$*"
	words="rmap ${words:0:200}"
	(
		[ -n "${SANITIZED-}" ] || ulimit -v 16000000
		exec timeout -k 1 60 "$rmap" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	) || code=$?
	[ "$code" = "$want" ] || fail "exit code $code instead of $want: $words ($(head -c 500 "$dir/err"))"
	[ "$want" = 0 ] || grep -q '^rmap' "$dir/err" || fail "no sentence from: $words"
	[ -z "$pattern" ] || grep -qe "$pattern" "$dir/err" || fail "no '$pattern' from $words: $(head -c 200 "$dir/err")"
	! grep -qiE 'assert|sanitizer|runtime error' "$dir/err" || fail "$words: $(head -c 500 "$dir/err")"
}
if nm "$rmap" 2>/dev/null | grep -q '__[at]san_init\|__ubsan'; then
	SANITIZED=yes
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}allocator_may_return_null=1
fi

# -- files that are none, for each who reads them
cd "$dir"
record=$source/workloads/records/compile.rmrec
mkdir d.rmw d.rmrec
mkfifo fifo.rmw fifo.rmrec
for end in rmw rmrec; do
	ln -s /dev/zero "zero.$end"
	ln -s /dev/urandom "random.$end"
	ln -s /dev/null "null.$end"
	ln -s "loop.$end" "loop.$end"
	truncate -s 100G "huge.$end"
	: >"empty.$end"
done
head -c 3000 /dev/urandom | tr '\n\000' 'xx' >noise.rmw
head -c 3000 /dev/urandom >noise.rmrec
for n in 1 7 8 15 16 31 40 100 1000 50000; do
	head -c "$n" "$record" >"cut$n.rmrec"
	refused 2 "cut$n.rmrec: " run "cut$n.rmrec"
done
head -c -1 "$record" >cut.rmrec
(cat "$record" && echo more) >longer.rmrec
for n in 9 20 33 60 200 5000 100000; do # one wrong byte
	cp "$record" flipped.rmrec
	printf '\377\377' | dd of=flipped.rmrec bs=1 seek="$n" conv=notrunc status=none
	refused 2 'flipped.rmrec: ' run flipped.rmrec
done
for command in "run" "draw -o x.svg"; do
	# shellcheck disable=SC2086 # words
	{
		refused 2 'directory' $command d.rmw
		refused 2 'd.rmrec: ' $command d.rmrec
		refused 2 'nobody writes' $command fifo.rmw
		refused 2 'regular file' $command fifo.rmrec
		refused 2 'larger than 4 MiB' $command zero.rmw
		refused 2 'regular file' $command zero.rmrec
		refused 2 'larger than 4 MiB' $command random.rmw
		refused 2 'regular file' $command random.rmrec
		refused 2 'regular file' $command null.rmrec
		refused 2 'symbolic links' $command loop.rmw
		refused 2 'symbolic links' $command loop.rmrec
		refused 2 'larger than 4 MiB' $command huge.rmw
		refused 2 'not a record' $command huge.rmrec
		refused 2 'not a record' $command empty.rmrec
		refused 2 'noise.rmw:1: ' $command noise.rmw
		refused 2 'not a record' $command noise.rmrec
		refused 2 'cut.rmrec: ' $command cut.rmrec
		refused 2 'longer.rmrec: ' $command longer.rmrec
		refused 2 'No such file' $command gone.rmw
		refused 2 'No such file' $command gone.rmrec
		refused 2 'no such generator' $command ''
		refused 2 'no such generator' $command "$(printf 'x%.0s' {1..5000})"
		refused 2 './xxx' $command "./$(printf 'x%.0s' {1..5000})"
	}
done
for list in d.rmrec fifo.rmrec zero.rmrec huge.rmrec empty.rmrec noise.rmrec cut.rmrec gone.rmrec; do
	refused 2 "$list: " record --list "$list"
done
refused 0 '' run --quiet empty.rmw
refused 0 '' run --quiet null.rmw
[ ! -e x.svg ] || fail "a drawing of nothing"

# -- lines that make no sense: each is line 3
n=0
while IFS= read -r line; do
	n=$((n + 1))
	printf 'process P\nfile F 4p\n%b\n' "$line" >"line$n.rmw"
	refused 2 "line$n.rmw:[34]: " run "line$n.rmw"
done <<'END'
P
P mmap
P mmap 1q
P mmap 18446744073709551616
P mmap 0x10000000000000000
P mmap 18446744073709551615p
P mmap 4T*4T*4T
P mmap 1p prot=MAX
P mmap 1p flags=MAX
P mmap 1p file=G
P mmap 1p rwz
P mremap 0 1p
P madvise 0 1p nonsense
P mlockall -> EMAYBE
P read 0 1p -> ENOMEM
P limit as
P limit nothing 1
P exec 0 1p rx args=1T
P exec 0 1p rx file=G
P pin 0
Q read 0
C = Q fork
P = P fork
P[1 fork
x = P read 0
pinread y
unpin y
file G MAX
file G
file F 1p
truncate F MAX
filewrite F 1 1p
filewrite F 0 1T
filewrite F MAX 1p
process P
process
process P[99999999]
process 7
repeat
repeat 3
end
repeat MAX\nphase "x"\nend
repeat -1\nphase "x"\nend
repeat 2 as P\nend
config frames=64
phase
phase "open
probe P 0
probe Q 0 "x"
fail nothing
fail alloc MAX MAX
expect
expect nothing
expect not layout P { }
expect layout P {
expect layout P { 0 }
expect page P 0 none sometimes
expect stat P speed=1
expect count nothing = 1
expect content P 0 MAX = MAX
expect walk P 0 looks
[nothing] expect content P 0 = 1
[anon_vma_chain expect content P 0 = 1
P migrate 0 MAX
P mincore 0 MAX = "0"
P write 0 1p = 0x4000000000000000
\0000
\0377\0376
$
END
head -c 3000000 /dev/zero | tr '\0' 'a' >long.rmw
refused 2 'long.rmw:1: ' run long.rmw
{ printf 'process P\nP mmap 1p'; printf ' shared%.0s' {1..300}; } >words.rmw
refused 2 'words.rmw:2: .* 255 words' run words.rmw
{ printf 'process P\nP mmap '; printf '(%.0s' {1..100000}; } >deep.rmw
refused 2 'deep.rmw:2: ' run deep.rmw
{ printf 'repeat 9\n%.0s' {1..9}; printf 'end\n%.0s' {1..9}; } >loops.rmw
refused 2 'loops.rmw:9: more than 8 loops' run loops.rmw
yes check | head -n 100001 >many.rmw
refused 2 'many.rmw:100001: ' run many.rmw
{ printf 'repeat 1000000000\n%.0s' {1..8}; printf 'end\n%.0s' {1..8}; } >idle.rmw
refused 0 '' run --quiet idle.rmw # nothing in it
for setting in frames=0 frames=63 frames=MAX swap=MAX cpus=0 cpus=257 fault_around=3 ratio=MAX overcommit=much colour=1 frames; do
	echo "config $setting" >config.rmw
	refused 2 'config.rmw:1: ' run config.rmw
done

# -- processes without end: this machine's memory is bounded, and no less the workload's
printf 'config frames=1024\nprocess C[0]\nrepeat 2000000 as i\nprocess C[i+1]\nend\n' >processes.rmw
refused 1 'processes.rmw:4: process: expected success, found ENOMEM' run processes.rmw
printf 'config frames=1024 swap=0\nprocess P\na = P mmap 1T noreserve\nP write a 1T\n' >eater.rmw
refused 1 'eater.rmw:4: .*found OOM' run eater.rmw

# -- each operation at both ends of the address space: carried out or refused, but survived
ends='0 1 4095 TASK_SIZE-4096 TASK_SIZE-1 TASK_SIZE TASK_SIZE+1 0x8000000000000000 MAX-4095 MAX a'
lengths='0 1 4p TASK_SIZE 0x8000000000000000 MAX-4095 MAX'
{
	printf 'config frames=1024\nprocess P\nfile F 4p\na = P mmap 4p\nP write a 4p\n'
	for a in $ends; do
		for l in $lengths; do
			cat <<END
P mprotect $a $l r -> any
P mprotect $a $l rw growsdown -> any
P madvise $a $l dontneed -> any
P madvise $a $l willneed -> any
P madvise $a $l pageout -> any
P madvise $a $l remove -> any
P madvise $a $l populate_write -> any
P madvise $a $l wipeonfork -> any
P madvise $a $l 77 -> any
P mlock $a $l -> any
P munlock $a $l -> any
P msync $a $l sync -> any
b = P mremap $a $l 1p maymove -> any
b = P mremap $a 1p $l maymove -> any
b = P mremap $a $l $l to=$a -> any
b = P mremap $a $l $l maymove dontunmap -> any
b = P mmap $l at=$a noreserve -> any
b = P mmap $l at=$a fixed noreplace noreserve -> any
b = P mmap $l at=$a growsdown noreserve -> any
P read $a $l -> any
P write $a $l -> any
P fetch $a $l -> any
P munmap $a $l -> any
a = P mmap 4p -> any
END
		done
		cat <<END
P brk $a -> any
P setbrk $a -> any
P poison $a -> any
x = P pin $a write -> any
probe P $a "end"
END
		# Offsets and sizes are no addresses.
		case $a in a) continue ;; esac
		cat <<END
C = P fork
C exec $a 1p rx -> any
C exit
P brk +$a -> any
b = P mmap 1p file=F offset=$a -> any
b = P mmap $a file=F offset=4p shared -> any
fileread F $a $a -> any
P limit memlock $a
P limit stack $a
reclaim $a
END
	done
	printf 'P limit memlock 8M\nP limit stack 8M\n'
} >ends.rmw
refused 0 '' run --quiet --check ends.rmw

# -- options
refused 2 'no command' --nonsense
refused 2 'no command' ''
refused 2 'missing'
for command in run draw record; do
	refused 2 'nonsense' $command --nonsense
	refused 2 'missing' $command
done
while IFS= read -r words; do
	# shellcheck disable=SC2086 # words
	refused 2 '' run $words fork-cow:children=2,pages=2
done <<'END'
--frames=
--frames=0
--frames=1
--frames=63
--frames=-64
--frames=1e9
--frames=64x
--frames=99999999999999
--frames=99999999999999999999999
--frames=256T
--frames=0%
--frames=%
--frames=-5%
--frames=25%%
--frames=1001%
--frames=99999999999999999999999%
--swap=
--swap=-1
--swap=99999999999999
--swap=99999999999999999999999
--swap=25%
--check=0
--check=-1
--check=99999999999999999999999
--seed=-1
--seed=99999999999999999999999
--seed=
--design=
--design=scan,scan
--list=yes
--json=yes
--phantom=yes
END
while IFS= read -r generator; do
	refused 2 'rmap run: ' run "$generator"
	refused 2 'rmap draw: ' draw -o x.svg "$generator"
done <<'END'
fork-cow:
fork-cow:,
fork-cow:=
fork-cow:children
fork-cow:children=
fork-cow:children=0
fork-cow:children=-1
fork-cow:children=1.5
fork-cow:children=99999999999999999999999
fork-cow:children=1,,pages=1
fork-cow:colour=1
fork-cow:children=100000,pages=16777216
fork-chain:write=101
zygote:regions=0
zygote:apps=100000,regions=1000,pages=4194304,own=4194304
mremap-churn:steps=0
split-merge:seed=-1
:
::children=1
END
tour=$source/workloads/tour.rmw
refused 2 '' draw -o x.svg --at 0 "$tour"
refused 2 '' draw -o x.svg --at -1 "$tour"
refused 2 '' draw -o x.svg --at 99999999999999999999999 "$tour"
refused 2 "'nobody 0': " draw -o x.svg --page 'nobody 0' "$tour"
refused 2 "'': " draw -o x.svg --page '' "$tour"

# -- phantom frames have no contents to expect
printf 'config contents\nprocess P\n' >contents.rmw
refused 2 'needs contents' run --phantom contents.rmw
printf 'process P\na = P mmap 1p\nP write a = 7\nexpect content P a = 8\n' >phantom.rmw
refused 0 '' run --quiet --phantom phantom.rmw
refused 1 'phantom.rmw:4: ' run --quiet phantom.rmw

# -- output that cannot be written
refused 2 'x.svg' draw -o /nonexistent/x.svg "$tour"
refused 2 '' draw -o "$dir" "$tour"
for arguments in "run fork-cow:children=1,pages=1" "run --json fork-cow:children=1,pages=1" "run --list" --help --version; do
	code=0
	# shellcheck disable=SC2086 # words
	"$rmap" $arguments >/dev/full 2>"$dir/err" || code=$?
	[ "$code" = 2 ] || fail "rmap $arguments: exit code $code on a full device"
	grep -q '^rmap' "$dir/err" || fail "rmap $arguments: no sentence on a full device"
done
TMPDIR=/nonexistent refused 2 'nonexistent' run fork-cow:children=1,pages=1

# -- ended in the middle: by SIGINT, SIGTERM, and by a reader that goes
printf 'process P\na = P mmap 64p\nrepeat 60000000 as i\nP write a 64p\nend\n' >endless.rmw
for signal in INT TERM; do
	(trap - "$signal"; exec timeout -s "$signal" -k 10 1 "$rmap" run --frames 64 endless.rmw >"$dir/out" 2>"$dir/err") &
	code=0
	wait $! || code=$?
	[ "$code" = 124 ] || fail "SIG$signal does not end it: exit code $code"
done
code=0
"$rmap" run --list 2>"$dir/err" | true || code=$?
[ -z "$(ls -A "$TMPDIR")" ] || fail "left behind: $(ls -A "$TMPDIR")"

echo "all well"
