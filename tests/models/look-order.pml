/* SPDX-License-Identifier: BSD-2-Clause */
/* A walker looks at a page's old place and then at its new one (look() in src/mm/table.c), while mremap moves the entry with both PTLs held.
   Each look reads the PTL's word, then the slot, and takes the lock where somebody held it. On a machine that may carry out loads in another
   order than they are written in, the second look is a process of its own, which may run before the first has read its slot. Asserted:
   the page was found at one of them.
   -DNOFENCE: nothing keeps the second look behind the first one's slot.  -DSLOTFIRST: it reads the slot before the
   word. */
byte lock[2]; byte slot[2]; bit found=0; bit read_first=0; byte done=0;
active proctype mover(){
  atomic{ lock[0]==0 -> lock[0]=1 } atomic{ lock[1]==0 -> lock[1]=1 }
  slot[0]=0; slot[1]=1;
  lock[1]=0; lock[0]=0
}
inline look(i){
#ifdef SLOTFIRST
  if :: i==1 -> s=slot[i]; busy=lock[i] :: else -> busy=lock[i]; s=slot[i] fi;
#else
  busy=lock[i]; s=slot[i];
#endif
  if :: busy -> atomic{ lock[i]==0 -> s=slot[i] } :: else fi;
  if :: s -> found=1 :: else fi
}
proctype first(){ byte busy, s; look(0); read_first=1; done++ }
proctype second(){ byte busy, s;
#ifndef NOFENCE
  read_first==1;
#endif
  look(1); done++
}
init { atomic{ slot[0]=1; run first(); run second() } done==2; assert(found) }
