/* SPDX-License-Identifier: BSD-2-Clause */
/* Who keeps a page's owner alive. The page came to A=0 (not counted) and was forked to B=1; both map it. A unmaps it and exits; B may
   adopt it (page lock, map count 1), unmaps it and exits; S walks with the page lock and gives the page to whom it finds, counted; R is
   a late reader without the lock. Whoever looks at the page's name in its RCU section must not find a node that has been freed; in the
   end no reference is left over.
   Default: as built. -DNOCOUNT: A leaves without a word. -DLATE: A counts the page behind the map count. -DPLAIN: who re-owns the page
   reads and then stores, instead of an exchange. -DOUTSIDE: R asks for the map count before its RCU section begins. */
#define NIL 9
byte name=0; bit counted=0; byte refs[2]; bit freed[2]; bit pte[2]; byte mapcount=2; byte pagerefs=3; bit page=0; byte done=0;
/* RCU: who is in a section, and whom a node that waits has to wait for */
bit in[2]; bit waits[2]; bit forS[2]; bit forR[2];
inline put(n){ atomic{ refs[n]--;
  if :: refs[n]==0 -> waits[n]=1; forS[n]=in[0]; forR[n]=in[1] :: else fi } }
proctype G(){ byte n;
  do :: atomic{ waits[0] && !forS[0] && !forR[0] -> waits[0]=0; freed[0]=1 }
     :: atomic{ waits[1] && !forS[1] && !forR[1] -> waits[1]=0; freed[1]=1 }
     :: atomic{ done==4 && !waits[0] && !waits[1] -> break }
  od }
inline leave_rcu(r){ atomic{ in[r]=0; if :: r==0 -> forS[0]=0; forS[1]=0 :: else -> forR[0]=0; forR[1]=0 fi } }
/* the page's frame goes with the last reference to it, and with it what it counted */
inline drop(){ atomic{ pagerefs--; last=(pagerefs==0) };
  if :: last && counted -> put(name); counted=0; name=NIL :: last && !counted -> name=NIL :: else fi }
inline count(n){ ok=0; atomic{ if :: name==n && !counted -> counted=1; ok=1 :: else fi } }
inline unmap(n){ atomic{ pte[n]=0; mapcount--; last=(mapcount==0) }; if :: last -> drop() :: else fi }
/* change_owner() */
inline own(n,c){
#ifdef PLAIN
  old=name; oldc=counted; name=n; counted=c;
#else
  atomic{ old=name; oldc=counted; name=n; counted=c };
#endif
  if :: oldc -> put(old) :: else fi }
inline leave(n){ if :: name==n && !counted -> refs[n]++; count(n); if :: !ok -> put(n) :: else fi :: else fi }
proctype A(){ bit ok, last;
#ifdef NOCOUNT
  unmap(0);
#else
#ifdef LATE
  unmap(0); leave(0);
#else
  leave(0); unmap(0);
#endif
#endif
  put(0); done++ }
proctype B(){ bit last, oldc, excl=0; byte old;
  if :: atomic{ page==0 -> page=1 };
        if :: mapcount==1 -> own(1,0) :: else fi; page=0
     :: skip fi;
  /* it never forked: what it unmaps is nobody's but the owner's */
  unmap(1); put(1); done++ }
inline see(){ if :: !c && mapcount==0 -> n=NIL :: else fi }
inline touch(){ if :: n!=NIL -> assert(!freed[n]) :: else fi }
proctype S(){ byte n, old, h=NIL; bit c, oldc, last;
  atomic{ page==0 -> page=1 };
  in[0]=1; atomic{ n=name; c=counted }; see(); touch();
  if :: n!=NIL -> if :: pte[0] -> h=0 :: pte[1] -> h=1 :: else fi :: else fi;
  touch();
  if :: h!=NIL -> atomic{ if :: refs[h]>0 -> refs[h]++ :: else -> h=NIL fi } :: else fi;
  leave_rcu(0);
  /* found alone: nobody else has it, so it is his and his children's */
  if :: h!=NIL && mapcount==1 && pte[h] -> own(h,1) :: h!=NIL && !(mapcount==1 && pte[h]) -> put(h) :: else fi;
  page=0; drop(); done++ }
proctype R(){ byte n; bit c, last;
#ifdef OUTSIDE
  atomic{ n=name; c=counted }; see();
  in[1]=1;
#else
  in[1]=1; atomic{ n=name; c=counted }; see();
#endif
  touch(); touch();
  leave_rcu(1); drop(); done++ }
init { atomic { refs[0]=1; refs[1]=1; pte[0]=1; pte[1]=1; run A(); run B(); run S(); run R(); run G() }
  (_nr_pr==1); assert(refs[0]==0 && refs[1]==0 && freed[0] && freed[1]) }
