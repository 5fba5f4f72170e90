/* SPDX-License-Identifier: BSD-2-Clause */
/* splice/reap against a walker with pins. Owner O=0 (its pages>0: never spliced). O: X=1, S=4 (newest first). X: T=5, Y=2. Y: Z=3.
   X, Y, T exit at any time (dead, no pages); Z and S live and map the page; the walker must look at Z and S.
   -DPINONE: a walker pins only the node at which it stands and goes up by parent. default: it pins its whole path.
   -DNOREVAL: splice does not look again at parent[n] under the parent's lock.  -DONELOCK: splice takes only the parent's lock.
   -DFWD: the walker starts at X, which may be gone by then, and follows the forward. */
#define NIL 9
byte parent[6]; byte head[6]; byte nxt[6]; bit lk[6]; byte pins[6]; bit dead[6]; bit gone[6]; bit busy[6]; byte exits=0; byte fwd[6]; bit wdone=0; bit seen[6];
inline lock(l){ atomic{ l==0 -> l=1 } }
/* reap n, and go on upward as the rule says */
inline reap(n0){
  n=n0;
  do
  :: p=parent[n];
     if :: n==0 -> break :: else fi;
     lock(lk[p]);
#ifndef NOREVAL
     if :: (parent[n]!=p || gone[p]) && !gone[n] -> lk[p]=0; goto again :: else fi;
#endif
#ifndef ONELOCK
     lock(lk[n]);
#endif
     go=0;
     fwd[n]=head[n];
     atomic { if :: dead[n] && !gone[n] && pins[n]==0 && (head[n]==NIL || nxt[head[n]]==NIL) -> gone[n]=1; go=1 :: else fi };
     if :: go ->
        c=head[n];
        if :: c!=NIL -> nxt[c]=nxt[n]; parent[c]=p :: else -> c=nxt[n] fi;
        /* predecessor */
        if :: head[p]==n -> head[p]=c
           :: else -> q=head[p]; do :: q==NIL -> assert(0) :: nxt[q]==n -> nxt[q]=c; break :: else -> q=nxt[q] od fi;
        c=head[n];
     :: else fi;
#ifndef ONELOCK
     lk[n]=0;
#endif
     lk[p]=0;
     if :: go && c==NIL -> n=p      /* a leaf went: the parent may now be reapable */
        :: else -> break fi;
     again: skip
  od }
proctype E(byte me){ byte n,p,c,q; bit go; dead[me]=1; reap(me); exits++ }
inline trypin(x,ok){ atomic{ if :: gone[x] -> ok=0 :: else -> pins[x]++; ok=1 fi } }
inline unpin(x){ z=0; atomic{ pins[x]--; if :: pins[x]==0 && dead[x] -> z=1 :: else fi }; if :: z -> reap(x) :: else fi }
proctype W(){ byte cur=0; byte top=0; byte m; byte n,p,c,q; bit go; bit ok, z; byte old; byte up; byte sp=0;
#ifdef FWD
 top=1;
r1: trypin(top,ok); if :: !ok -> top=fwd[top]; assert(top!=NIL); goto r1 :: else fi; cur=top;
#else
 pins[0]++;
#endif
down:
 assert(!gone[cur]); seen[cur]=1;
d1: m=head[cur];
 if :: m!=NIL -> trypin(m,ok); if :: !ok -> goto d1 :: else fi;
       old=cur; cur=m;
#ifdef PINONE
       if :: old!=0 -> unpin(old) :: else fi;
#endif
       goto down
    :: else fi;
side:
 if :: cur==top -> goto end :: else fi;
#ifdef PINONE
 m=nxt[cur];
 if :: m!=NIL -> trypin(m,ok); if :: !ok -> goto side :: else fi; old=cur; cur=m; unpin(old); goto down :: else fi;
u1: up=parent[cur]; if :: up==0 -> old=cur; cur=0; unpin(old); goto side :: else fi;
 trypin(up,ok); if :: !ok -> goto u1 :: else fi; old=cur; cur=up; unpin(old); goto side;
#else
 m=nxt[cur];
 if :: m!=NIL -> trypin(m,ok); if :: !ok -> goto side :: else fi; old=cur; cur=m; unpin(old); goto down :: else fi;
 up=parent[cur]; assert(!gone[up]); old=cur; cur=up; unpin(old); goto side;
#endif
end:
#ifdef FWD
 assert(seen[3]); unpin(top); wdone=1 }
#else
 assert(seen[3] && seen[4]); pins[0]--; wdone=1 }
#endif
init { byte i; atomic { for (i:0..5){ parent[i]=NIL; head[i]=NIL; nxt[i]=NIL }
  head[0]=1; nxt[1]=4; parent[1]=0; parent[4]=0; head[1]=5; nxt[5]=2; parent[5]=1; parent[2]=1; head[2]=3; parent[3]=2;
  run E(1); run E(2);
#ifndef NOT
  run E(5);
#else
  exits=1; head[1]=2; gone[5]=1;
#endif
#ifndef NOWALK
  run W();
#else
  wdone=1; seen[3]=1;
#endif
  }
  (exits==3 && wdone);
  assert(gone[1]&&gone[2]&&gone[5]&&!gone[3]); assert(head[0]==3 && nxt[3]==4 && nxt[4]==NIL && parent[3]==0 && head[3]==NIL) }
