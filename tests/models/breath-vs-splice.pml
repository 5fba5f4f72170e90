/* SPDX-License-Identifier: BSD-2-Clause */
/* A walk that takes a breath: it leaves its RCU section in the middle of the tree, with a pin where it stands and a reference on its
   top, while nodes leave the tree and are freed. O=0; O: X=1, S=4 (newest first). X: Z=3, T=2.
   X, T exit at any time; Z and S live and map the page. A node has a reference for the tree, and one for each forwarder; X one more
   with -DOWNER, where the page is X's, and counted, until it is another's (at any time: the walk then need not find anything). What
   nobody names goes after a grace period, and puts what it forwards to.
   Asserted: nobody touches a node that was freed; Z (and S, if the page is O's) is looked at; in the end only O, Z, S are in the tree,
   and what nobody names has been freed.
   -DNOPIN: the node where it stands is only held by a reference.    -DNOREF: nothing holds it, but its place is looked up again.
   -DNOTOP (with OWNER): top is not held.    -DNOREAP: who lets go of the last pin does not see to it that a dead node goes.
   -DLATE: who exits is dead before it enters its RCU section; so it was built until this model was written.
   -DNOGONE: it pins a node without asking, under its lock, whether it has gone. */
#define NIL 9
byte birth[5]; byte stamp=0;
byte parent[5]; byte head[5]; byte nxt[5]; byte prv[5]; byte lk[5]; bit dead[5]; bit gone[5]; byte refs[5]; byte pins[5];
bit named[5]; /* until its last reference went; then it stays for those who were in an RCU section at that moment: */
byte late[5]; byte inside=0;
byte exits=0; bit wdone=0; bit another=0; bit seen[5];
inline touch(n){ assert(named[n] || (late[n] & (1<<me))) }
inline enter(){ inside=inside|(1<<me) }
inline leave(){ d_step{ inside=inside&~(1<<me); for (k:0..4) { late[k]=late[k]&~(1<<me) }; k=0 } }
inline lock(l){ atomic{ l==0 -> l=1 } }
/* The last one frees the node and puts the one that it forwards to. */
inline put(n0){
  z=n0;
  do
  :: z==NIL -> break
  :: else -> touch(z); atomic{ assert(refs[z]>0); refs[z]--; last=(refs[z]==0) };
     if :: last -> d_step{ y=(gone[z] -> head[z] : NIL); named[z]=0; late[z]=inside }; z=y :: else -> break fi
  od }
inline reap(n0){
  n=n0;
  do
  :: n==NIL -> break
  :: else ->
     touch(n); p=parent[n];
     if :: p!=NIL -> touch(p); lock(lk[p]); touch(p) :: else fi;
     lock(lk[n]);
     if :: parent[n]!=p -> lk[n]=0; if :: p!=NIL -> lk[p]=0 :: else fi; goto again :: else fi;
     go=0;
     if :: dead[n] && !gone[n] && pins[n]==0 && (head[n]==NIL || nxt[head[n]]==NIL) ->
        gone[n]=1; go=1; c=head[n];
        if :: c!=NIL -> touch(c);
             q=prv[n]; atomic{ refs[c]++; prv[c]=q; birth[c]=birth[n] };
             nxt[c]=nxt[n]; parent[c]=p;
             if :: nxt[n]!=NIL -> prv[nxt[n]]=c :: else fi
           :: else -> q=prv[n]; c=nxt[n]; if :: c!=NIL -> prv[c]=q :: else fi
        fi;
        if :: q!=NIL -> nxt[q]=c :: q==NIL && p!=NIL -> head[p]=c :: else fi;
        c=head[n];
       :: else fi;
     lk[n]=0; if :: p!=NIL -> lk[p]=0 :: else fi;
     if :: go -> put(n) :: else fi;
     if :: go && c==NIL -> n=p :: else -> break fi;
     again: skip
  od }
proctype E(byte me){ byte n,p,c,q,z,y,k; bit go,last; 
#ifdef LATE
  dead[me]=1; enter();
#else
  enter(); dead[me]=1;
#endif
  reap(me); leave(); exits++ }
inline follow(){
  do :: top!=NIL && gone[top] -> touch(top); top=head[top]; stamp=0 :: else -> break od;
  if :: top!=NIL -> touch(top) :: else fi }
inline tooold(){
  touch(m); b=birth[m]; old=0;
  if :: b<=stamp -> follow(); old=(m!=top && b<=stamp) :: else fi }
inline get(n0,ok){ touch(n0); atomic{ if :: refs[n0]>0 -> refs[n0]++; ok=1 :: else -> ok=0 fi } }
inline breathe(){
  held=top;
#ifdef NOTOP
  ok=1;
#else
  get(held,ok);
#endif
  if :: ok ->
     got=cur;
#ifdef NOREF
     leave(); enter();
#else
     get(got,ok);
     if :: ok ->
#ifdef NOPIN
           leave(); enter();
#else
           lock(lk[got]);
#ifdef NOGONE
           pins[got]++; ok=1;
#else
           ok=!gone[got]; if :: ok -> pins[got]++ :: else fi;
#endif
           lk[got]=0;
           if :: ok -> leave(); enter(); lock(lk[got]); pins[got]--; lk[got]=0;
#ifndef NOREAP
                 if :: dead[got] -> reap(got) :: else fi
#else
                 skip
#endif
              :: else fi;
#endif
           put(got)
        :: else fi;
#endif
#ifndef NOTOP
     put(held)
#else
     skip
#endif
     :: else fi }
#ifdef OWNER
proctype Q(){ byte me=4, k, z, y; bit last; enter(); another=1; put(1); leave() }
#endif
proctype W(){ byte me=3, k, cur, top=0, m, up, b, n,p,c,q,z,y, held, got; bit old, go, ok, last, breath=0;
 enter();
#ifdef OWNER
 if :: another -> goto end :: else fi;
 top=1; stamp=3; follow();
#endif
 cur=top;
down: touch(cur); seen[cur]=1;
 if :: !breath && top!=NIL -> breath=1; breathe() :: skip fi;
 touch(cur); m=head[cur];
 if :: m!=NIL && cur==top -> tooold(); if :: old -> goto end :: else cur=m; goto down fi
    :: m!=NIL && cur!=top -> cur=m; goto down
    :: else fi;
side:
 touch(cur); up=parent[cur]; m=nxt[cur];
 follow();
 if :: top==NIL || cur==top -> goto end :: else fi;
 if :: m!=NIL && up==top -> tooold(); if :: old -> goto end :: else cur=m; goto down fi
    :: m!=NIL && up!=top -> cur=m; goto down
    :: else fi;
 if :: up==NIL -> goto end :: else fi;
 cur=up; if :: cur==top -> goto end :: else fi;
 goto side;
end:
 assert(seen[3] || another);
 leave();
#ifndef OWNER
 assert(seen[4]);
#endif
 wdone=1 }
init { byte i; atomic { for (i:0..4){ parent[i]=NIL; head[i]=NIL; nxt[i]=NIL; prv[i]=NIL; refs[i]=1; named[i]=1 }
#ifdef OWNER
  refs[1]=2; run Q();
#endif
  birth[1]=2; birth[4]=1; birth[3]=5; birth[2]=4;
  head[0]=1; nxt[1]=4; prv[4]=1; parent[1]=0; parent[4]=0; head[1]=3; nxt[3]=2; prv[2]=3; parent[2]=1; parent[3]=1;
  run E(1); run E(2); run W() }
  (_nr_pr==1);
  assert(gone[1]&&gone[2]&&!gone[3]); assert(head[0]==3 && nxt[3]==4 && nxt[4]==NIL && parent[3]==0 && head[3]==NIL && prv[4]==3);
  assert(!named[1] && !named[2] && refs[3]==1 && refs[0]==1 && refs[4]==1) }
