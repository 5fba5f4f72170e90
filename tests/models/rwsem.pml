/* SPDX-License-Identifier: BSD-2-Clause */
/* The default sleeping lock (include/rmap/locks.h, src/base/locks.c): one word of readers, a writer's bit, a bit that somebody waits and
   one that it is a writer's turn. Two readers, one of them twice, and two writers. Asserted: a writer is alone; nobody sleeps for ever;
   in the end the word is 0 (a turn that nobody takes would keep out all readers to come).
   -DBLIND: who sleeps does not look whether the word is still the one that he saw.  -DWAKEFIRST: a release wakes before it clears the bit.
   -DKEEPTURN: who takes it for writing leaves the turn as it is.  -DEXACT: the last reader wakes only if there is no turn. */
#define WRITER 16
#define WAITERS 8
#define TURN 32
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
#define MAY ((writer && (v&(WRITER|READERS))==0) || (!writer && ((v&~READERS)==0 || v==WAITERS)))
#define WAITING (v|WAITERS|((writer && (v&READERS)) -> TURN : 0))
#ifdef KEEPTURN
#define TAKEN (writer -> v|WRITER : v+1)
#else
#define TAKEN (writer -> (v&~TURN)|WRITER : v+1)
#endif
inline slow(writer){
  v=word; got=0;
  do :: got -> break
     :: !got && MAY -> atomic{ if :: word==v -> word=TAKEN; got=1 :: else -> v=word fi }
     :: !got && !MAY ->
        ok=1;
        if :: v!=WAITING -> atomic{ if :: word==v -> v=WAITING; word=v :: else -> v=word; ok=0 fi } :: else fi;
        if :: ok ->
#ifdef BLIND
              asleep[me]=1;
#else
              atomic{ if :: word==v -> asleep[me]=1 :: else fi };
#endif
              !asleep[me]; v=word
           :: else fi
  od; v=0 }
proctype R(byte me; byte n){ byte v, k; bit got, ok;
  do :: n==2 -> break
     :: else -> n++;
        atomic{ v=word; if :: (v&~READERS)==0 -> word=v+1; got=1 :: else -> got=0 fi };
        if :: !got -> slow(0) :: else fi;
        atomic{ r++; assert(w==0) };
        atomic{ r--; v=word; word=word-1 };
#ifdef EXACT
        if :: v==(WAITERS|1) -> wake() :: else fi
#else
        if :: (v&~TURN)==(WAITERS|1) -> wake() :: else fi
#endif
  od; done++ }
proctype W(byte me; byte n){ byte v, k; bit got, ok;
  do :: n==2 -> break
     :: else -> n++;
        atomic{ if :: word==0 -> word=WRITER; got=1 :: else -> got=0 fi };
        if :: !got -> slow(1) :: else fi;
        atomic{ w++; assert(w==1 && r==0) };
        atomic{ w--; v=word; word=word&~WRITER };
        if :: v&WAITERS -> wake() :: else fi
  od; done++ }
init { atomic{ run R(0,0); run R(1,1); run W(2,1); run W(3,1) }; done==4; assert(word==0) }
