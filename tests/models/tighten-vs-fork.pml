/* SPDX-License-Identifier: BSD-2-Clause */
/* tighten after a walk that removes nothing (ageing). O=0 owner (no PTE any more); X=1,Y=2 children of O that map the page; D=3,E=4 children of X.
   -DEND clock published at fork's end (else at start); -DARRIVE clock read before the look at X (else when tightening);
   -DEARLY stop when found==mapcount and tighten with that. Y zaps, X forks D then E, X may zap. */
#define NIL 9
byte par[5]; byte birth[5]; byte clk[5]; byte head[5]; byte nxt[5]; bit pte[5]; bit ptl[5]; byte mapcount=2; byte done=0; byte owner=0, stamp=0;
inline lock(l){ atomic{ l==0 -> l=1 } }
inline fork(p,c){
#ifdef END
  atomic{ birth[c]=clk[p]+1; par[c]=p; nxt[c]=head[p]; head[p]=c };
#else
  atomic{ clk[p]++; birth[c]=clk[p]; par[c]=p; nxt[c]=head[p]; head[p]=c };
#endif
  lock(ptl[p]); atomic{ if :: pte[p] -> mapcount++; pte[c]=1 :: else fi }; ptl[p]=0;
#ifdef END
  clk[p]=birth[c];
#endif
}
inline zap(n){ lock(ptl[n]); pte[n]=0; ptl[n]=0 ; mapcount-- }
proctype FX(){ bit had; fork(1,3); fork(1,4); if :: pte[1] -> zap(1) :: skip fi; done++ }
proctype ZY(){ if :: zap(2) :: skip fi; done++ }
proctype ZD(){ if :: pte[3] -> zap(3) :: skip fi; done++ }
bit hit[5]; byte found=0; byte arr[5];
inline look(n){ arr[n]=clk[n]; lock(ptl[n]); if :: pte[n] -> hit[n]=1; found++ :: else fi; ptl[n]=0 }
#ifdef EARLY
#define STOP (found>=mapcount)
#else
#define STOP 0
#endif
proctype W(){ byte c,g; bit stop=0; byte s;
  look(0); c=head[0];
  do :: c==NIL || stop -> break
     :: else -> look(c); if :: STOP -> stop=1 :: else fi;
        g=head[c];
        do :: g==NIL || stop -> break :: else -> look(g); if :: STOP -> stop=1 :: else fi; g=nxt[g] od;
        c=nxt[c]
  od;
  /* tighten */
  if
  :: found==0 -> skip
  :: hit[2] && (hit[1]||hit[3]||hit[4]) -> skip   /* LCA is O: nothing to do */
  :: hit[2] && !(hit[1]||hit[3]||hit[4]) -> owner=2; stamp=clk[2]
  :: !hit[2] && hit[1] && !hit[3] && !hit[4] ->
#ifdef ARRIVE
     owner=1; stamp=arr[1]
#else
     s=clk[1]; owner=1; stamp=s
#endif
  :: !hit[2] && hit[3] && !hit[4] && !hit[1] -> owner=3; stamp=clk[3]
  :: !hit[2] && hit[4] && !hit[3] && !hit[1] -> owner=4; stamp=clk[4]
  :: !hit[2] && hit[3] && (hit[4]||hit[1]) -> owner=1; stamp=birth[3]-1
  :: !hit[2] && !hit[3] && hit[4] && hit[1] -> owner=1; stamp=birth[4]-1
  fi;
  done++ }
init { byte n; byte a; atomic { for (n:0..4){ head[n]=NIL; nxt[n]=NIL; par[n]=NIL }
  clk[0]=2; birth[2]=1; par[2]=0; birth[1]=2; par[1]=0;
  /* list order of O: newest first. -DYFIRST makes Y the newer one */
#ifdef YFIRST
  birth[2]=2; birth[1]=1; head[0]=2; nxt[2]=1;
#else
  head[0]=1; nxt[1]=2;
#endif
  pte[1]=1; pte[2]=1; run FX(); run ZY(); run ZD(); run W() }
  done==4;
  atomic { for (n:0..4) { if :: pte[n] ->
      if :: n==owner -> skip
         :: else -> a=n; do :: par[a]==NIL -> break :: par[a]==owner -> break :: else -> a=par[a] od;
            assert(par[a]==owner && birth[a]>stamp) fi
    :: else fi } } }
