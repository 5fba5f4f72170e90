/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk that fills a sieve. O=0 is its top; X=1 (birth 2), Y=2 (birth 1) children of O that map the page, O too; O forks F=4 (birth 3),
   X forks D=3; O, X and D may zap. The walker reads O's clock, looks at O, then its children newest first and their children; a child
   below which somebody was found gets its bit, one born after the clock was read is covered if O was found, or else the sieve is given up.
   In the end each PTE must be let pass: O by `own', below a child by its bit, or by `own' if it is newer.
   Default: as built. -DNOTOP: O has not got the page. -DLATE: the clock is read when the walk is over.
   -DNOGIVEUP: a newer one that was found though O was not is not minded. -DNOSTEPS: only O's children are looked at, not theirs. */
#define NIL 9
byte par[5]; byte birth[5]; byte clk[5]; byte head[5]; byte nxt[5]; bit pte[5]; bit ptl[5]; byte done=0;
bit bits[8]; bit own=0; byte upto; bit made=0;
inline fork(p,c){
  atomic{ birth[c]=clk[p]+1; par[c]=p; nxt[c]=head[p]; head[p]=c };
  atomic{ ptl[p]==0 -> ptl[p]=1 }; pte[c]=pte[p]; ptl[p]=0;
  clk[p]=birth[c]
}
inline zap(n){ atomic{ ptl[n]==0 -> ptl[n]=1 }; pte[n]=0; ptl[n]=0 }
proctype FO(){ fork(0,4); done++ }
proctype FX(){ fork(1,3); if :: zap(3) :: skip fi; done++ }
proctype Z(byte n){ if :: zap(n) :: skip fi; done++ }
bit hit;
inline look(n){ hit=0; atomic{ ptl[n]==0 -> ptl[n]=1 }; if :: pte[n] -> hit=1 :: else fi; ptl[n]=0 }
inline found(b){ if :: hit && b>upto -> newer=1 :: hit && b<=upto -> bits[b]=1 :: else fi }
proctype W(){ byte c,g; bit newer=0;
  upto=clk[0];
  look(0); own=hit; c=head[0];
  do :: c==NIL -> break
     :: else -> look(c); found(birth[c]);
#ifndef NOSTEPS
        g=head[c]; do :: g==NIL -> break :: else -> look(g); found(birth[c]); g=nxt[g] od;
#endif
        c=nxt[c]
  od;
#ifdef LATE
  upto=clk[0];
#endif
#ifdef NOGIVEUP
  newer=0;
#endif
  if :: own || !newer -> made=1 :: else fi;
  done++ }
init { byte n,a; bit ok; atomic { for (n:0..4){ head[n]=NIL; nxt[n]=NIL; par[n]=NIL }
  clk[0]=2; birth[2]=1; par[2]=0; birth[1]=2; par[1]=0; head[0]=1; nxt[1]=2;
#ifndef NOTOP
  pte[0]=1;
#endif
  pte[1]=1; pte[2]=1; run FO(); run FX(); run Z(0); run Z(1); run W() }
  done==5;
  atomic { if :: made -> for (n:0..4) { if :: pte[n] ->
     a=n; do :: a==0 || par[a]==0 -> break :: else -> a=par[a] od;
     if :: a==0 -> ok=own :: a!=0 && birth[a]>upto -> ok=own :: else -> ok=bits[birth[a]] fi;
     assert(ok) :: else fi } :: else fi } }
