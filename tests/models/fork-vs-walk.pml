/* SPDX-License-Identifier: BSD-2-Clause */
/* fork vs unmapping walk, two levels. P=0 C=1 G=2 D=3. pte: 0 none 1 present 2 swap entry.
   -DLINKLAST: child linked after the copy. -DKIDSFIRST: walker reads the child list before it looks at the mm.
   -DNOPTL: fork copies without the parent's table lock (read, then write) */
#define NIL 9
byte pte[4]; byte head[4]; byte nxt[4]; bit ptl[4]; bit kl[4];
bit cdone=0; byte done=0; byte mapcount; bit walked=0;
inline lock(l){ atomic{ l==0 -> l=1 } }
inline unlock(l){ l=0 }
inline link(p,c){ lock(kl[p]); nxt[c]=head[p]; head[p]=c; unlock(kl[p]) }
inline copy(p,c){
#ifdef NOPTL
  t=pte[p]; lock(ptl[c]); if :: t==1 -> mapcount++ :: else fi; pte[c]=t; unlock(ptl[c])
#else
  lock(ptl[p]); lock(ptl[c]); if :: pte[p]==1 -> mapcount++ :: else fi; pte[c]=pte[p]; unlock(ptl[c]); unlock(ptl[p])
#endif
}
inline fork(p,c){
#ifdef LINKLAST
  copy(p,c); link(p,c)
#else
  link(p,c); copy(p,c)
#endif
}
inline zap(n){ lock(ptl[n]); if :: pte[n]==1 -> mapcount--; :: else fi; pte[n]=0; unlock(ptl[n]) }
proctype P(){ byte t; fork(0,1); cdone=1; fork(0,3); if :: zap(0) :: skip fi; done++ }
proctype C(){ byte t; cdone==1; fork(1,2); if :: zap(1) :: skip fi; done++ }
inline look(n){ lock(ptl[n]); if :: pte[n]==1 -> pte[n]=2; mapcount-- :: else fi; unlock(ptl[n]) }
proctype W(){ byte c,g,h;
#ifdef KIDSFIRST
  c=head[0]; look(0);
#else
  look(0); c=head[0];
#endif
  do :: c==NIL || mapcount==0 -> break
     :: else ->
#ifdef KIDSFIRST
        g=head[c]; look(c);
#else
        look(c); g=head[c];
#endif
        do :: g==NIL -> break :: else -> look(g); g=nxt[g] od;
        c=nxt[c]
  od; done++ }
init { atomic { byte i; for (i:0..3){ head[i]=NIL; nxt[i]=NIL } pte[0]=1; mapcount=1; run P(); run C(); run W() }
  done==3; assert(pte[0]!=1 && pte[1]!=1 && pte[2]!=1 && pte[3]!=1); assert(mapcount==0) }
