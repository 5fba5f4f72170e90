/* SPDX-License-Identifier: BSD-2-Clause */
/* mremap moving one PTE among home(0) and displaced places 1,2 of mm A, against a walk; mm B (visited after A) maps the page too.
   -DNOSEQ no sequence count. -DSTRICTRETRY look again whenever odd/changed, also after a hit. default: leave the mm at the first hit; retry only a miss.
   -DAGE walk that removes nothing, stops at found==mapcount (checks it saw each). else unmapping walk, stops at mapcount 0.
   -DTREEOUT displaced tree changed outside the odd section (insert after the move). -DHOMELAST looks at displaced places before home.
   -DLOCKED as it is built: where something is displaced, under the lock at once, displaced places before home; else home, and under
   the lock only if something is displaced by then, or the count was odd or has changed. -DBARE (with LOCKED): without the lock.
   -DONEWAY only moves from home outwards. -DZAPB: B's mapping is zapped meanwhile */
byte e[4]; /* 0..2 in A, 3 = B; 0 none 1 present 2 swap entry 3 present+seen */
bit ptl[4]; bit intree[3]; byte seq=0; bit wl=0; byte rl=0; byte mapcount=2; byte done=0; byte pos=0;
inline lock(l){ atomic{ l==0 -> l=1 } }
proctype M(){ byte k,to; byte v;
 for (k : 1..3) {
  if :: to=0 :: to=1 :: to=2 fi;
#ifdef ONEWAY
  if :: to==0 -> to=pos :: else fi; if :: pos!=0 -> to=pos :: else fi;
#endif
  if :: to==pos -> skip
     :: else ->
#ifndef NOSEQ
      atomic{ (wl==0 && rl==0) -> wl=1 }; seq++;
#endif
#ifndef TREEOUT
      if :: to!=0 -> intree[to]=1 :: else fi;
#endif
      if :: pos<to -> lock(ptl[pos]); lock(ptl[to]) :: else -> lock(ptl[to]); lock(ptl[pos]) fi;
      v=e[pos]; e[pos]=0; e[to]=v;
      ptl[to]=0; ptl[pos]=0;
#ifndef TREEOUT
      if :: pos!=0 -> intree[pos]=0 :: else fi;
#endif
#ifndef NOSEQ
      seq++; wl=0;
#endif
#ifdef TREEOUT
      if :: to!=0 -> intree[to]=1 :: else fi; if :: pos!=0 -> intree[pos]=0 :: else fi;
#endif
      pos=to
  fi }
 done++ }
proctype Z(){
#ifdef ZAPB
  lock(ptl[3]); if :: e[3]==1||e[3]==3 -> e[3]=0; mapcount-- :: else fi; ptl[3]=0;
#endif
 done++ }
#ifdef STRICTRETRY
#define RETRYALL 1
#else
#define RETRYALL 0
#endif
byte found=0;
inline look(n){ lock(ptl[n]);
  if :: e[n]==1||e[n]==3 ->
#ifdef AGE
     e[n]=3; found++; hit=1
#else
     e[n]=2; mapcount--; hit=1
#endif
  :: else fi; ptl[n]=0 }
inline pass(){
#ifdef HOMELAST
  if :: intree[1] -> look(1) :: else fi; 
  if :: intree[2] && (!hit || RETRYALL) -> look(2) :: else fi;
  if :: (!hit || RETRYALL) -> look(0) :: else fi;
#else
  look(0); if :: intree[1] && (!hit || RETRYALL) -> look(1) :: else fi;
  if :: intree[2] && (!hit || RETRYALL) -> look(2) :: else fi;
#endif
}
#ifdef AGE
#define STOP (found>=mapcount)
#else
#define STOP (mapcount==0)
#endif
bit missok=0;
proctype W(){ bit hit=0; byte s;
#ifdef LOCKED
  s=seq;
#ifdef BARE
#define HOLD skip
#define DROP skip
#else
#define HOLD atomic{ wl==0 && rl==0 -> rl=1 }
#define DROP rl=0
#endif
  if :: intree[1] || intree[2] -> HOLD; pass(); DROP
     :: else -> look(0);
        if :: !hit && ((s&1) || intree[1] || intree[2] || seq!=s) -> HOLD; pass(); DROP :: else fi
  fi
#else
  s=seq; pass();
#ifndef NOSEQ
  if :: (!hit || RETRYALL) && ((s&1) || seq!=s) -> atomic{ wl==0 -> rl++ }; pass(); rl-- :: else fi;
#endif
#endif
  hit=0;
  if :: STOP -> skip :: else -> look(3) fi;
  done++ }
init { byte n; atomic{ e[0]=1; e[3]=1; run M(); run W(); run Z() } done==3;
 for (n:0..3) { assert(e[n]!=1) } }
