/* SPDX-License-Identifier: BSD-2-Clause */
/* The lifetime of an anon_vma (design anon_vma_chain, src/rmap/anon_vma_chain_walk.c has the argument in words).
   P forked C. Object 0 is P's anon_vma, the root, in whose tree both are; 1 is C's, of which 0 is the root. P and C exit at any time; N, a
   stranger, faults its first page into whatever object is free, as a root of its own, and exits. A walker with nothing but a reference
   to a page comes at any time, by the page's mapping: to C's own page (1), or with -DSHARED to one that P and C map (0).
   Memory is type-stable: a freed object may be another's at once; it stops being one (mem) a grace period after it was freed.
   Asserted: nobody touches memory that went; no tree is read while it is changed; no count goes below zero; who maps the page all
   along has been looked at; nothing is left in the end.
   -DCOUNTFIRST: the map count is read before the mapping's RCU section.       -DNORECHECK: nothing is asked again under the lock.
   -DROOTONLY: only the root is asked again.                                   -DNOLOCKNEW: N links itself without the lock (B6).
   -DNOPIN: no reference is taken to sleep.                                    -DPINANY: one is taken of an object that has none.
   -DNOROOTREF: a member does not hold its root (B5).                          -DREINIT: N makes the lock anew.
   -DBARE: who unlinked his last VMA unlocks outside RCU.                      -DLEAVE: a walker leaves RCU once it has the lock. */
#define P 0
#define C 1
#define N 2
#define W 3
#define WRITE 9
byte root[2]; byte refs[2]; byte lk[2]; bit mem[2]; bit free[2]; bit busy[2]; byte life[2];
bit tree[6];	/* object * 3 + who */
bit pte[2]; byte mapcount = 0;
byte sec[4];	/* RCU sections: odd inside */
byte done = 0;
#ifdef SHARED
#define NAMED 0
#else
#define NAMED 1
#endif
inline touch(o) { assert(mem[o]) }
inline enter(me) { sec[me]++ }
inline leave(me) { sec[me] = (sec[me] + 1) % 4 }
inline wlock(o) { touch(o); atomic { lk[o] == 0 -> lk[o] = WRITE }; touch(o) }
inline release(o) {
	atomic { touch(o); if :: lk[o] == WRITE -> lk[o] = 0 :: else -> assert(lk[o] > 0); lk[o]-- fi };
	touch(o) /* to wake those who wait */
}
inline unlock_last(me, o) {
#ifndef BARE
	enter(me);
#endif
	release(o);
#ifndef BARE
	leave(me)
#else
	skip
#endif
}
inline put(o0) {
	o = o0;
	do :: touch(o); atomic { assert(refs[o] > 0); refs[o]--; last = refs[o] == 0 };
	      if :: last -> r = root[o]; atomic { assert(!free[o]); free[o] = 1; life[o]++ };
#ifdef NOROOTREF
		    break
#else
		    if :: r == o -> break :: else -> o = r fi
#endif
	      :: else -> break fi
	od
}
inline erase(ob, who) { busy[ob] = 1; tree[ob * 3 + who] = 0; busy[ob] = 0 }
#define EMPTY(ob) (!tree[ob * 3] && !tree[ob * 3 + 1] && !tree[ob * 3 + 2])
proctype ExitP() { byte o, r; bit last, dead;
#ifdef SHARED
	atomic { pte[P] = 0; mapcount-- };
#endif
	wlock(0); erase(0, P); dead = EMPTY(0); unlock_last(P, 0);
	if :: dead -> put(0) :: else fi;
	done++
}
proctype ExitC() { byte o, r; bit last, dead;
	atomic { pte[C] = 0; mapcount-- };
	wlock(0); erase(1, C); erase(0, C); dead = EMPTY(0); unlock_last(C, 0);
	put(1);
	if :: dead -> put(0) :: else fi;
	done++
}
proctype First() { byte o, r, mine = WRITE; bit last;
	if :: atomic { free[0] && mem[0] -> free[0] = 0; mine = 0 }
	   :: atomic { free[1] && mem[1] -> free[1] = 0; mine = 1 }
	   :: skip fi;
	if :: mine != WRITE ->
#ifdef REINIT
		lk[mine] = 0;
#endif
		root[mine] = mine; refs[mine] = 1;
#ifndef NOLOCKNEW
		wlock(mine);
#endif
		busy[mine] = 1; tree[mine * 3 + N] = 1; busy[mine] = 0;
#ifndef NOLOCKNEW
		release(mine);
#endif
		wlock(mine); erase(mine, N); unlock_last(N, mine); put(mine)
	   :: else fi;
	done++
}
/* With the root's lock: is it the right one, and is the page still to be found? */
inline still() {
	ok = 1;
#ifndef NORECHECK
	touch(NAMED); if :: root[NAMED] != r -> ok = 0 :: else fi;
#ifndef ROOTONLY
	if :: mapcount == 0 -> ok = 0 :: else fi
#endif
#endif
}
inline look() {
	i = 0;
	do :: i < 3 -> touch(NAMED); assert(!busy[NAMED]);
	      if :: tree[NAMED * 3 + i] -> if :: i < N -> saw[i] = 1 :: else fi :: else fi; i++
	   :: else -> break od;
	atomic { i = 0; do :: i < 2 -> assert(!pte[i] || saw[i]); i++ :: else -> break od }
}
proctype Walk() { byte o, r, i, tries = 0; bit last, ok, pinned, saw[2];
again:
	if :: tries == 2 -> goto end :: else -> tries++ fi;
#ifdef COUNTFIRST
	if :: mapcount == 0 -> goto end :: else fi; enter(W);
#else
	enter(W); if :: mapcount == 0 -> leave(W); goto end :: else fi;
#endif
	touch(NAMED); r = root[NAMED]; touch(r);
	atomic { if :: lk[r] != WRITE -> lk[r]++; ok = 1 :: else -> ok = 0 fi };
	if :: ok ->
#ifdef LEAVE
		leave(W);
#endif
		still(); if :: ok -> look() :: else fi; release(r);
#ifndef LEAVE
		leave(W);
#endif
		if :: ok -> goto end :: else -> goto again fi
	   :: else fi;
	/* Somebody has it: a reference, to sleep. */
#ifdef NOPIN
	pinned = 1;
#else
#ifdef PINANY
	atomic { refs[NAMED]++; pinned = 1 };
#else
	atomic { if :: refs[NAMED] > 0 -> refs[NAMED]++; pinned = 1 :: else -> pinned = 0 fi };
#endif
#endif
	leave(W);
	if :: !pinned -> goto again :: else fi;
	touch(NAMED); r = root[NAMED]; touch(r); atomic { lk[r] != WRITE -> lk[r]++ }; touch(r);
	still(); if :: ok -> look() :: else fi; release(r);
#ifndef NOPIN
	put(NAMED);
#endif
	if :: ok -> skip :: else -> goto again fi;
end:	done++
}
/* A grace period after o was freed its memory goes, unless it is another's by then (it may, too, stay). */
proctype Return(byte o) { byte was, s0, s1, s2, s3;
	do :: atomic { free[o] -> was = life[o]; s0 = sec[0]; s1 = sec[1]; s2 = sec[2]; s3 = sec[3] };
	      (!(s0 & 1) || sec[0] != s0); (!(s1 & 1) || sec[1] != s1);
	      (!(s2 & 1) || sec[2] != s2); (!(s3 & 1) || sec[3] != s3);
	      atomic { if :: free[o] && life[o] == was -> mem[o] = 0 :: else fi };
	      if :: !mem[o] -> break :: else fi
	   :: done == 4 -> break
	od
}
init { atomic {
	mem[0] = 1; mem[1] = 1; root[0] = 0; root[1] = 0; refs[1] = 1;
#ifdef NOROOTREF
	refs[0] = 1;
#else
	refs[0] = 2;
#endif
	tree[P] = 1; tree[C] = 1; tree[3 + C] = 1; pte[C] = 1; mapcount = 1;
#ifdef SHARED
	pte[P] = 1; mapcount = 2;
#endif
	run ExitP(); run ExitC(); run First(); run Walk(); run Return(0); run Return(1) }
	done == 4 -> assert(free[0] && free[1] && refs[0] == 0 && refs[1] == 0 && lk[0] == 0 && lk[1] == 0)
}
