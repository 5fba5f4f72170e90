# SPDX-License-Identifier: BSD-2-Clause
#
# What the command's tests have in common: a directory of their own, and what a command came to in it.
set -eEu
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
rmap=${RMAP:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}
# expect_code CODE COMMAND...
expect_code() {
	local want=$1 code=0
	shift
	"$@" >"$dir/out" 2>"$dir/err" </dev/null || code=$?
	[ "$code" = "$want" ] || fail "exit code $code instead of $want: $* ($(cat "$dir/err"))"
	# A failure is one sentence that says who speaks.
	if [ "$want" != 0 ]; then
		grep -q '^rmap' "$dir/err" || fail "no sentence from: $*"
	fi
}
says() {
	grep -q -- "$1" "$dir/err" || fail "no '$1' in: $(cat "$dir/err")"
}
shows() {
	grep -q -- "$1" "$dir/out" || fail "no '$1' in: $(cat "$dir/out")"
}
