/* SPDX-License-Identifier: BSD-2-Clause */
/* The default sleeping lock (include/rmap/locks.h, src/base/locks.c): one word of readers, a writer's bit and a bit that somebody waits.
   Two readers, one of them twice, and two writers. Asserted: a writer is alone; nobody sleeps for ever; the word is 0 when all is over.
   -DBLIND: who sleeps does not look whether the word is still the one that he saw.  -DWAKEFIRST: a release wakes before it clears the bit.
   -DLASTONLY: a writer's release wakes only if nobody has set the bit by then. */
#define WRITER 16
#define WAITERS 8
#define READERS 7
byte word=0; byte r=0; byte w=0; bit asleep[4]; byte done=0;
inline wake(){
#ifdef WAKEFIRST
  d_step{ for (k:0..3) { asleep[k]=0 }; k=0 };
#endif
  word=word&~WAITERS;
#ifndef WAKEFIRST
  d_step{ for (k:0..3) { asleep[k]=0 }; k=0 }
#endif
}
inline slow(blockers,grant){
  v=word; got=0;
  do :: got -> break
     :: !got && ((v&(blockers))==0 || v==WAITERS) -> atomic{ if :: word==v -> word=v+(grant); got=1 :: else -> v=word fi }
     :: else ->
        ok=1;
        if :: (v&WAITERS)==0 ->
              atomic{ if :: word==v -> word=v|WAITERS; v=v|WAITERS :: else -> v=word; ok=0 fi }
           :: else fi;
        if :: ok ->
#ifdef BLIND
              asleep[me]=1;
#else
              atomic{ if :: word==v -> asleep[me]=1 :: else fi };
#endif
              !asleep[me]; v=word
           :: else fi
  od }
proctype R(byte me; byte n){ byte v, k; bit got, ok;
  do :: n==2 -> break
     :: else -> n++;
        atomic{ v=word; if :: (v&(WRITER|WAITERS))==0 -> word=v+1; got=1 :: else -> got=0 fi };
        if :: !got -> slow(WRITER|WAITERS,1) :: else fi;
        atomic{ r++; assert(w==0) }; r--;
        atomic{ v=word; word=word-1 };
        if :: v==(WAITERS|1) -> wake() :: else fi
  od; done++ }
proctype W(byte me; byte n){ byte v, k; bit got, ok;
  do :: n==2 -> break
     :: else -> n++;
        atomic{ if :: word==0 -> word=WRITER; got=1 :: else -> got=0 fi };
        if :: !got -> slow(255,WRITER) :: else fi;
        atomic{ w++; assert(w==1 && r==0) }; w--;
        atomic{ v=word; word=word&~WRITER };
#ifdef LASTONLY
        if :: v&WAITERS && word==0 -> wake() :: else fi
#else
        if :: v&WAITERS -> wake() :: else fi
#endif
  od; done++ }
init { atomic{ run R(0,0); run R(1,1); run W(2,1); run W(3,1) }; done==4; assert(word==0) }
