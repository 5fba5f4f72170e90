/* SPDX-License-Identifier: BSD-2-Clause */
/* Two address spaces have a page. The one pins it and unmaps it, both under the PTL of its entry; the other writes to it, and takes it as
   its own if one entry maps it and nobody else holds it (adopt() in src/mm/fault_cow.c; migration asks the same of a page without entries).
   All entries hold one reference together. On a machine that may carry out loads in another order than they are written in, the look at the
   references is a process of its own, which may run before the entries have been counted. Asserted: who writes in place is not read by the
   holder of a pin.
   -DNOACQUIRE: nothing keeps the look at the references behind the count of entries.  -DREFSFIRST: they are looked at first.
   -DUNMAPFIRST: the pin comes after the unmapping. */
byte mapcount=2, refs=1; bit counted=0, looked=0; byte r=0;
active proctype pinner(){
#ifdef UNMAPFIRST
  mapcount--; refs++
#else
  refs++; mapcount--
#endif
}
proctype references(){
#ifndef NOACQUIRE
#ifndef REFSFIRST
  counted==1;
#endif
#endif
  r=refs; looked=1
}
active proctype writer(){
  byte m;
  run references();
#ifdef REFSFIRST
  looked==1;
#endif
  m=mapcount; counted=1;
  looked==1;
  if :: m==1 && r==1 -> assert(refs==1) :: else fi
}
