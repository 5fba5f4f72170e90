/* SPDX-License-Identifier: BSD-2-Clause */
/* Who keeps the owner of a swap slot alive. A=0 has the page alone, not counted, and forks B=1 at any time; reclaim fills a slot (not
   counted, if the page is exclusive just then) and takes the page out; B may read it in again (from the swap cache); both let go of what
   they have, and exit. Nobody may touch a node that has been freed, and no reference is left over.
   Default: as built. -DFILLONLY: reclaim tells no more when it makes entries that are not exclusive. -DNOFORKDUP: fork does not tell.
   -DNOREJOIN: who reads the page in leaves it the name that it has. */
#define NIL 9
#define NONE 0
#define PTE 1
#define ALONE 2
#define SHARED 3
byte e[2]; bit ptl[2]; byte name=0; bit counted=0; byte sname=NIL; bit scounted=0; bit excl=1; byte mapcount=1; byte refs[2]; bit freed[2];
bit page=0; bit forked=0; bit swl=0; byte done=0;
bit in[3]; bit waits[2]; bit wait[6];
inline lock(l){ atomic{ l==0 -> l=1 } }
inline put(n){ atomic{ refs[n]--;
  if :: refs[n]==0 -> waits[n]=1; wait[n*3]=in[0]; wait[n*3+1]=in[1]; wait[n*3+2]=in[2] :: else fi } }
inline leave_rcu(r){ atomic{ in[r]=0; wait[r]=0; wait[3+r]=0 } }
proctype G(){
  do :: atomic{ waits[0] && !wait[0] && !wait[1] && !wait[2] -> waits[0]=0; freed[0]=1 }
     :: atomic{ waits[1] && !wait[3] && !wait[4] && !wait[5] -> waits[1]=0; freed[1]=1 }
     :: atomic{ done==5 && !waits[0] && !waits[1] -> break }
  od }
/* count_any(), by r: ok=0: nobody maps it */
inline count_any(r){ in[r]=1;
  do :: atomic{ n=name; c=counted };
        if :: c -> ok=1; break
           :: else -> if :: mapcount==0 -> ok=0; break
              :: else -> assert(!freed[n]); atomic{ if :: refs[n]>0 -> refs[n]++; ok=1 :: else -> ok=0 fi };
                 if :: !ok -> break
                    :: else -> atomic{ if :: name==n && !counted -> counted=1; ok=1 :: else -> ok=0 fi };
                       if :: ok -> break :: else -> put(n) fi fi fi fi
  od; leave_rcu(r) }
inline slot_name(){ assert(!freed[name]); atomic{ sname=name; scounted=1; refs[name]++ } }
inline leave(m){ if :: m==0 && forked && name==0 && !counted -> refs[0]++;
     atomic{ if :: name==0 && !counted -> counted=1; ok=1 :: else -> ok=0 fi }; if :: !ok -> put(0) :: else fi
  :: else fi }
proctype R(){ byte n, i; bit c, ok;
  lock(page); lock(swl);
  if :: excl -> sname=name; scounted=0 :: else -> count_any(0); if :: ok -> slot_name() :: else fi fi;
  swl=0;
  for (i:0..1) { lock(ptl[i]);
    if :: e[i]==PTE && excl -> excl=0; mapcount--; e[i]=ALONE
       :: e[i]==PTE && !excl ->
#ifndef FILLONLY
          lock(swl); if :: !scounted -> count_any(0); if :: ok -> slot_name() :: else fi :: else fi; swl=0;
#endif
          leave(i); mapcount--; e[i]=SHARED
       :: else fi; ptl[i]=0 };
  page=0; done++ }
inline zap(m){ lock(ptl[m]);
  if :: e[m]==PTE && excl -> excl=0; mapcount-- :: e[m]==PTE && !excl -> leave(m); mapcount-- :: else fi;
  e[m]=NONE; ptl[m]=0 }
proctype A(){ bit ok;
  forked=1; lock(ptl[0]);
  if :: e[0]==PTE -> excl=0; mapcount++; e[1]=PTE
     :: e[0]==ALONE || e[0]==SHARED ->
#ifndef NOFORKDUP
        lock(swl); if :: !scounted -> assert(sname==0); refs[0]++; scounted=1 :: else fi; swl=0;
#endif
        e[0]=SHARED; e[1]=SHARED
     :: else fi; ptl[0]=0;
  run B(); zap(0); put(0); done++ }
/* It comes by an entry that others have, too. */
proctype B(){ byte old; bit oldc, ok;
  if :: lock(page); lock(ptl[1]);
        if :: e[1]==SHARED ->
#ifndef NOREJOIN
              if :: scounted -> assert(!freed[sname]); refs[sname]++ :: else fi;
              atomic{ old=name; oldc=counted; name=sname; counted=scounted }; if :: oldc -> put(old) :: else fi;
#endif
              mapcount++; e[1]=PTE
           :: else fi; ptl[1]=0; page=0
     :: skip fi;
  zap(1); put(1); done++ }
/* A slot that no entry names is freed, while the page may be mapped. */
proctype D(){
  lock(page); lock(swl);
  if :: (e[0]==NONE || e[0]==PTE) && (e[1]==NONE || e[1]==PTE) ->
        if :: scounted -> scounted=0; put(sname) :: else fi; sname=NIL
     :: else fi;
  swl=0; page=0; done++ }
/* Late readers, without the page lock. */
proctype L(){ byte n; bit c;
  in[2]=1; atomic{ n=name; c=counted };
  if :: !c && mapcount==0 -> skip :: else -> assert(!freed[n]); assert(!freed[n]) fi;
  leave_rcu(2); done++ }
init { atomic { refs[0]=1; refs[1]=1; e[0]=PTE; run A(); run R(); run L(); run D(); run G() }
  (done==5);
  /* the frame and the slot go */
  if :: counted -> put(name) :: else fi; if :: scounted -> put(sname) :: else fi;
  (_nr_pr==1); assert(refs[0]==0 && refs[1]==0) }
