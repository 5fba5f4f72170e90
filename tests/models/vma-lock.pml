/* SPDX-License-Identifier: BSD-2-Clause */
/* A fault enters the lock of its VMA (try_enter() in src/mm/vma_lock.c), while whoever has mmap_lock marks the VMA, waits for those inside,
   takes it out of the tree and lets go of all marks. The writer's turn before, at whose end the mm gets the number that is the mark, is part
   of the model. The word may have been marked with that number long ago, since numbers come round; then the writer leaves it as it is if
   nobody is in. What the reader looks at before its exchange decides nothing (a machine may carry out these loads in any order) and is left
   out. What it looks at behind the second number is a process of its own, for machines that may carry it out before. Asserted: who gets in
   is in a VMA that is in the tree.
   -DNOASK: nobody asks behind the exchange whether the VMA has left.  -DEARLY: nothing keeps that question behind the second number.
   -DNOAGAIN: there is no second number.  -DNOWAIT: the writer does not wait for readers.  -DLATELEFT: it says that the VMA has left when
   the marks are released. */
byte seq=1; /* the mm's number */
byte mark=0, readers=0; bit gone=0; /* the VMA's word */
bit freed=0, entered=0, again=0, asked=0, said=0;
proctype writer(){
  seq=2; /* the turn before ends */
  if :: atomic{ mark==2 && readers==0 -> skip }
     :: atomic{ else -> mark=2 }
#ifndef NOWAIT
        readers==0
#endif
  fi;
  freed=1;
#ifdef LATELEFT
  seq=3; gone=1
#else
  gone=1; seq=3
#endif
}
proctype question(){
#ifdef EARLY
  entered==1;
#else
  again==1;
#endif
  said=gone; asked=1
}
proctype reader(){
  byte m;
  run question();
  if :: atomic{ !gone -> m=mark; readers++; entered=1 }
     :: atomic{ gone -> goto out }
  fi;
#ifndef NOAGAIN
  if :: m==seq -> readers--; goto out :: else fi;
#endif
  again=1;
#ifndef NOASK
  asked==1;
  if :: said -> readers--; goto out :: else fi;
#endif
  assert(!freed);
  readers--;
  out: again=1; entered=1
}
init { if :: mark=0 :: mark=2 fi; atomic{ run writer(); run reader() } }
