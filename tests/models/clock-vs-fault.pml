/* SPDX-License-Identifier: BSD-2-Clause */
/* a page born (or adopted) in VMA 1 while fork copies VMA 0, then VMA 1. Per-VMA locks: a fault takes only the VMA's.
   -DMMAPLOCK: faults take the mmap lock.  -DEND: the clock that stamps read is published when fork has copied all.  -DADOPT */
byte clock=0, birth=0, stamp=0; bit p1=0, d1=0; bit mmapw=0; byte mmapr=0; bit vw=0; byte vr=0; bit ptl=0; byte mapcount=0; byte done=0; bit mine=0;
inline lock(l){ atomic{ l==0 -> l=1 } }
proctype F(){ byte i;
 for (i : 1..2) {
  atomic{ mmapr==0 && !mmapw -> mmapw=1 };
  /* each round: a fresh child; only the last is checked plus the first via dx */
#ifdef END
  birth=clock+1;
#else
  clock++; birth=clock;
#endif
  /* VMA 0 is copied here */
  skip;
  atomic{ vr==0 -> vw=1 };
  lock(ptl); if :: p1 -> mapcount++; d1=1 :: else d1=0 fi; ptl=0;
#ifdef END
  clock=birth;
#endif
  atomic{ vw=0; mmapw=0 };
  atomic{ if :: (d1 && mine) -> assert(birth>stamp) :: else fi };   /* the child maps it: is it covered? */
  atomic{ if :: d1 -> mapcount--; d1=0 :: else fi }                  /* child drops it again */
 }
 done++ }
proctype T(){ byte s;
#ifdef MMAPLOCK
  atomic{ !mmapw -> mmapr++ };
#else
  atomic{ !vw -> vr++ };
#endif
  s=clock;
  lock(ptl);
#ifdef ADOPT
  if :: mapcount==1 -> stamp=s; mine=1 :: else fi;
#else
  p1=1; mapcount=1; stamp=s; mine=1;
#endif
  ptl=0;
#ifdef MMAPLOCK
  mmapr--;
#else
  vr--;
#endif
  done++ }
init { atomic {
#ifdef ADOPT
 p1=1; mapcount=1;
#endif
 run F(); run T() } done==2 }
