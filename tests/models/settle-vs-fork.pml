/* SPDX-License-Identifier: BSD-2-Clause */
/* Settling as it is built: after a complete walk that removes nothing, the page is owned by those who were found, each with its
   clock as read on arrival. O=0 owner (no PTE any more); X=1,Y=2 children of O that map the page; X forks D=3, then E=4; Y and D may
   zap. In the end each PTE must be covered by an owner, and by one only (else a walk would meet it twice).
   Default: as built. -DLATE: clocks read when settling. -DEARLY: the walk stops at the map count and settles all the same.
   -DNOCHECK: does not look whether somebody forked since. */
#define NIL 9
byte par[5]; byte birth[5]; byte clk[5]; byte head[5]; byte nxt[5]; bit pte[5]; bit ptl[5]; byte mapcount=2; byte done=0;
bit own[5]; byte stamp[5]; bit settled=0;
inline fork(p,c){
  atomic{ birth[c]=clk[p]+1; par[c]=p; nxt[c]=head[p]; head[p]=c };
  atomic{ ptl[p]==0 -> ptl[p]=1 };
  atomic{ if :: pte[p] -> mapcount++; pte[c]=1 :: else fi }; ptl[p]=0;
  clk[p]=birth[c]
}
inline zap(n){ atomic{ ptl[n]==0 -> ptl[n]=1 }; atomic { if :: pte[n] -> pte[n]=0; mapcount-- :: else fi }; ptl[n]=0 }
proctype FX(){ fork(1,3); fork(1,4); if :: zap(1) :: skip fi; done++ }
proctype ZY(){ if :: zap(2) :: skip fi; done++ }
proctype ZD(){ if :: zap(3) :: skip fi; done++ }
bit hit[5]; byte arr[5]; byte found=0;
inline look(n){ arr[n]=clk[n]; atomic{ ptl[n]==0 -> ptl[n]=1 }; if :: pte[n] -> hit[n]=1; found++ :: else fi; ptl[n]=0 }
#ifdef EARLY
#define STOP (found>=mapcount)
#else
#define STOP 0
#endif
proctype W(){ byte c,g,i; bit stop=0, since=0; byte nr=0;
  look(0); c=head[0];
  do :: c==NIL || stop -> break
     :: else -> look(c); if :: STOP -> stop=1 :: else fi;
        g=head[c];
        do :: g==NIL || stop -> break :: else -> look(g); if :: STOP -> stop=1 :: else fi; g=nxt[g] od;
        c=nxt[c]
  od;
  for (i:0..4) { nr=nr+hit[i] };
#ifndef NOCHECK
  /* one cannot be met twice */
  if :: nr>1 -> for (i:0..4) { if :: hit[i] -> c=head[i]; if :: clk[i]!=arr[i] -> since=1 :: else fi;
        if :: c!=NIL && birth[c]>arr[i] -> since=1 :: else fi :: else fi } :: else fi;
#endif
  if :: nr>0 && !since ->
#ifdef LATE
     for (i:0..4) { if :: hit[i] -> arr[i]=clk[i] :: else fi }
#endif
     atomic{ settled=1; for (i:0..4) { own[i]=hit[i]; stamp[i]=arr[i] } }
     :: else fi;
  done++ }
/* how many owners cover n: itself if it owns, and each ancestor that owns, by the child on the way */
inline cover(n){ k=0; if :: own[n] -> k++ :: else fi; a=n;
  do :: par[a]==NIL -> break :: else -> if :: own[par[a]] && birth[a]>stamp[par[a]] -> k++ :: else fi; a=par[a] od }
init { byte n,a,k; atomic { for (n:0..4){ head[n]=NIL; nxt[n]=NIL; par[n]=NIL }
  clk[0]=2; birth[2]=1; par[2]=0; birth[1]=2; par[1]=0; head[0]=1; nxt[1]=2;
  pte[1]=1; pte[2]=1; run FX(); run ZY(); run ZD(); run W() }
  done==4;
  atomic { if :: settled -> for (n:0..4) { if :: pte[n] -> cover(n); assert(k==1) :: else fi } :: else fi } }
