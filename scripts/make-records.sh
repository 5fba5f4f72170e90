#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Makes the three records in workloads/records anew, with the real programs from Debian: Redis with a
# background save under writes, PostgreSQL with several client backends, a parallel compile.
#
#   scripts/make-records.sh [redis] [postgres] [compile]      (default: all three)
#
# Needs root, a kernel with trace events and memory cgroups, and build/rmap (or RMAP=...). Clients
# talk to servers over loopback or a Unix socket and run outside the recorded trees.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
rmap=${RMAP:-$top/build/rmap}
out=${OUT:-$top/workloads/records}
work=$(mktemp -d /var/tmp/rmap-make-records.XXXXXX)
recorder=
pgbin=/usr/lib/postgresql/15/bin

cleanup() {
	if [ -n "$recorder" ] && kill -0 "$recorder" 2>/dev/null; then
		kill "$recorder" || true
		wait "$recorder" || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

die() {
	echo "make-records: $*" >&2
	exit 1
}

need() {
	for package in "$@"; do
		dpkg -s "$package" >/dev/null 2>&1 || missing="${missing-} $package"
	done
	[ -z "${missing-}" ] && return
	# the packages' own servers are not wanted
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
	apt-get update -qq
	# shellcheck disable=SC2086
	apt-get install -y -qq --no-install-recommends $missing
	missing=
}

# record FILE [OPTION...] -- COMMAND...: in the background
record() {
	local file=$1
	shift
	"$rmap" record -o "$out/$file.rmrec" "$@" &
	recorder=$!
}

# until COMMAND...: for ten seconds at most
until_ok() {
	for _ in $(seq 200); do
		"$@" >/dev/null 2>&1 && return
		kill -0 "$recorder" 2>/dev/null || die "the recorded server has gone"
		sleep 0.05
	done
	die "this never came true: $*"
}

finish() {
	wait "$recorder" || die "recording failed"
	recorder=
}

# -- Redis: fill it, save in the background while writes go on, read it again --------------------------
make_redis() {
	local port=17379 cli

	need redis-server redis-tools
	cli="redis-cli -p $port"
	mkdir "$work/redis"
	# half of what it will hold: the rest goes to swap, and comes back for the save and the reads
	record redis --memory 36M -- redis-server --port $port --bind 127.0.0.1 --dir "$work/redis" \
		--save "" --appendonly no --daemonize no --loglevel warning --rdbcompression no
	until_ok $cli ping
	redis-benchmark -q -p $port -c 4 -t set -n 60000 -r 50000 -d 1024 >/dev/null
	saves=$($cli lastsave)
	sleep 1.1 # lastsave counts seconds
	$cli bgsave >/dev/null
	redis-benchmark -q -p $port -c 4 -t set -n 20000 -r 50000 -d 1024 >/dev/null
	until_ok sh -c "[ \"\$($cli lastsave)\" != $saves ]"
	redis-benchmark -q -p $port -c 4 -t get -n 12000 -r 50000 >/dev/null
	$cli shutdown nosave >/dev/null 2>&1 || true
	finish
}

# -- PostgreSQL: fill tables, then several backends at once, then a connection per transaction --------
make_postgres() {
	local data=$work/postgres/data sock=$work/postgres

	need postgresql-15
	mkdir "$sock"
	chmod 755 "$work"
	chown postgres: "$sock"
	setpriv --reuid postgres --regid postgres --init-groups \
		$pgbin/initdb -D "$data" -U postgres -A trust -N >/dev/null
	record postgres -- setpriv --reuid postgres --regid postgres --init-groups \
		$pgbin/postgres -D "$data" -k "$sock" -c listen_addresses= -c shared_buffers=16MB \
		-c max_connections=20 -c fsync=off -c log_min_messages=fatal
	until_ok $pgbin/pg_isready -q -h "$sock" -U postgres
	$pgbin/pgbench -q -i -s 4 -h "$sock" -U postgres postgres >/dev/null 2>&1
	$pgbin/pgbench -c 12 -j 2 -t 400 -h "$sock" -U postgres postgres >/dev/null 2>&1
	$pgbin/pgbench -c 4 -C -t 30 -h "$sock" -U postgres postgres >/dev/null 2>&1
	$pgbin/psql -q -h "$sock" -U postgres postgres -c \
		'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0;
		 set min_parallel_table_scan_size = 0; select count(*), sum(abalance) from pgbench_accounts' \
		>/dev/null
	kill -INT "$(head -1 "$data/postmaster.pid")"
	finish
}

# -- a parallel compile: make, the shell, gcc, cc1, as, and the linker --------------------------------
make_compile() {
	local dir=$work/compile

	need gcc make libc6-dev
	mkdir "$dir"
	for i in $(seq 48); do
		cat >"$dir/part$i.c" <<-C
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>

		struct node$i { struct node$i *next; int key; char name[24]; };

		struct node$i *sort$i(struct node$i *list)
		{
			struct node$i *done = NULL;

			while (list) {
				struct node$i *n = list, **at = &done;

				list = list->next;
				while (*at && ((*at)->key < n->key || strcmp((*at)->name, n->name) < $i))
					at = &(*at)->next;
				n->next = *at;
				*at = n;
			}
			return done;
		}

		int part$i(int n)
		{
			struct node$i *list = NULL;
			int sum = 0;

			for (int i = 0; i < n; i++) {
				struct node$i *x = calloc(1, sizeof(*x));

				if (!x)
					abort();
				x->key = (i * $i) % 17;
				snprintf(x->name, sizeof(x->name), "%d-%d", i, $i);
				x->next = list;
				list = x;
			}
			for (struct node$i *x = sort$i(list); x; x = x->next)
				sum = 31 * sum + x->key;
			return sum;
		}
		C
	done
	{
		seq -f 'int part%g(int);' 48
		echo 'int main(void) { return (0'
		seq -f '+ part%g(9)' 48
		echo ') == 1; }'
	} >"$dir/main.c"
	cat >"$dir/Makefile" <<-'MAKE'
	.RECIPEPREFIX := >
	objects := $(patsubst %.c,%.o,$(wildcard *.c))
	program: $(objects)
	> gcc -o $@ $^
	%.o: %.c
	> gcc -O2 -c -o $@ $<
	MAKE
	record compile -- make -s -j4 -C "$dir" program
	finish
	"$dir/program" || die "what was compiled does not run"
}

[ "$(id -u)" = 0 ] || die "root is needed"
[ -x "$rmap" ] || die "$rmap is not there: build it first"
mkdir -p "$out"
[ $# -gt 0 ] || set -- redis postgres compile
for what in "$@"; do
	case $what in
	redis | postgres | compile) "make_$what" ;;
	*) die "there is no record '$what'" ;;
	esac
done
ls -l "$out"
