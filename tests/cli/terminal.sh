#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# On a terminal: lines are as wide as that, and nothing is written over where TERM says that it cannot be.
. "$(dirname "$0")/common.sh"

# on_terminal TERM COLUMNS SECONDS COMMAND...: its terminal's bytes are in $dir/out; it is interrupted so many seconds after it has begun to
# write (0: it ends)
on_terminal() {
	python3 - "$@" >"$dir/out" <<'END' || fail "on a terminal: $*"
import fcntl, os, pty, signal, struct, sys, termios, threading

kind, columns, seconds, command = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
pid, fd = pty.fork()
if not pid:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where all of this runs in the background
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.environ["TERM"] = kind
    os.execvp(command[0], command)
waits = seconds
try:
    while part := os.read(fd, 65536):
        sys.stdout.buffer.write(part)
        if waits:
            threading.Timer(waits, os.kill, (pid, signal.SIGINT)).start()
            waits = 0
except OSError:
    pass  # the other end is closed
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code != (-signal.SIGINT if seconds else 0))
END
}
# The longest line, whether it was written over or not.
widest() {
	sed 's/\x1b\[[0-9]*[A-Z]//g' "$dir/out" | tr '\r' '\n' | awk '{ if (length > most) most = length } END { print most + 0 }'
}
# Lines with something that takes away or writes over what stood there.
escapes() {
	grep -cP '\x1b|\r.' "$dir/out" || true
}

# -- three designs stand side by side in 80 columns, and all where there is no terminal
compare=("$rmap" compare -q --designs "scan,pte_chain,anon_vma,anonmm" "fork-cow:children=3,pages=3")
on_terminal xterm 80 0 "${compare[@]}"
[ "$(widest)" -le 80 ] || fail "wider than the terminal: $(cat "$dir/out")"
[ "$(grep -c 'checked, nothing wrong' "$dir/out")" = 2 ] || fail "not in two parts: $(cat "$dir/out")"
grep -q '^ *scan *pte_chain *anon_vma *.$' "$dir/out" || fail "no three designs: $(cat "$dir/out")"
expect_code 0 "${compare[@]}"
[ "$(grep -c 'checked, nothing wrong' "$dir/out")" = 1 ] || fail "no terminal, and yet in parts"

# -- progress is a line that is written over, cut where the terminal ends; nothing of it where that cannot be done
run=("$rmap" run --phantom --check=1 "fork-cow:children=5000,pages=1000")
on_terminal xterm 12 1 "${run[@]}"
[ "$(escapes)" -ge 1 ] || fail "no progress on a terminal"
[ "$(widest)" -le 12 ] || fail "progress wraps: $(cat -v "$dir/out")"
for kind in dumb ''; do
	on_terminal "$kind" 80 0 "$rmap" run --phantom fork-cow:children=300,pages=1000
	[ "$(escapes)" = 0 ] || fail "TERM='$kind' and yet: $(cat -v "$dir/out" | head -5)"
done
# stress and verify show it more than once, and take it away before they say what came of it
for what in "stress --seconds=0.6 --threads=1 --designs=lineage" "verify --ops=8000 --seed=1"; do
	read -ra words <<<"$what"
	on_terminal xterm 30 0 "$rmap" "${words[@]}"
	! grep -q '^skipped: ' "$dir/out" || continue
	[ "$(escapes)" -ge 1 ] || fail "$what: no progress on a terminal"
	grep -qP '\r\x1b\[K(design|agreed)' "$dir/out" || fail "$what: progress is left behind: $(cat -v "$dir/out")"
	on_terminal dumb 80 0 "$rmap" "${words[@]}"
	[ "$(escapes)" = 0 ] || fail "$what on a dumb terminal: $(cat -v "$dir/out" | head -5)"
done

# -- what breaks sharing is told as wide as the terminal is, to 40 columns; names that have no room stand below their numbers
breaks=("$rmap" breaks -q --top 4 -- bash -c 'for i in 1 2 3; do (x=$i); done')
if "${breaks[@]}" >"$dir/out" 2>/dev/null; then
	shows '^ *pages .* pid  process$'
	for columns in 40 60 73 80; do
		on_terminal xterm "$columns" 0 "${breaks[@]}"
		sed -i '/^ *\/[^ ]*:\r*$/d' "$dir/out" # the path of a module without names is not cut
		[ "$(widest)" -le "$columns" ] || fail "wider than $columns columns: $(cat "$dir/out")"
		shows '^ *[0-9,]* *copied: a page'
		shows ' bash.$'
		shows '^ *[0-9.,]* *< [a-z_]'
	done
fi

# -- and --watch clears the screen only where there is one to be cleared
on_terminal xterm 80 1 "$rmap" sharing --watch=0.2 --top 3 $$
[ "$(escapes)" -ge 1 ] || fail "--watch: the screen is not cleared"
on_terminal dumb 80 1 "$rmap" sharing --watch=0.2 --top 3 $$
[ "$(escapes)" = 0 ] || fail "--watch on a dumb terminal: $(cat -v "$dir/out" | head -5)"
[ "$(grep -c '^ *pid name' "$dir/out")" -ge 2 ] || fail "--watch: once only: $(cat "$dir/out")"
