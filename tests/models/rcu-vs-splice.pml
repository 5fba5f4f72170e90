/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk as it is built: no pins, no locks; nodes are freed after a grace period and what leaves the tree keeps its links (next,
   parent, and head as its forward). O=0 owner; O: X=1, S=4 (newest first). X: T=5, Y=2. Y: Z=3.
   X, Y, T exit at any time; Z and S live and map the page: the walker must look at Z and S, whatever leaves meanwhile.
   -DUPFIRST: the walker reads the sibling before the parent.  -DPARENTFIRST: the heir gets its parent before its sibling.
   -DOWNER: the page is X's, which may go under the walker (or before it comes): Z must be seen, S need not; the walk must end.
   -DNOFOLLOW (with OWNER): the walker does not notice that its top has gone (it walks on beyond: shown by its looking at S).
   With OWNER the page came after X's third fork: Y is its fourth and T its fifth, X itself the second of O. So Y is young enough; but
   when X has gone Y has X's place and birth, by which it is too old.
   -DNOAGAIN (with OWNER): a birth is believed without asking behind it whether top has gone. */
#define NIL 9
byte birth[6]; byte stamp=0;
byte parent[6]; byte head[6]; byte nxt[6]; byte prv[6]; byte lk[6]; bit dead[6]; bit gone[6]; byte exits=0; bit wdone=0; bit seen[6];
inline lock(l){ atomic{ l==0 -> l=1 } }
inline reap(n0){
  n=n0;
  do
  :: n==NIL -> break
  :: else ->
     p=parent[n];
     if :: p!=NIL -> lock(lk[p]) :: else fi;
     lock(lk[n]);
     if :: parent[n]!=p -> lk[n]=0; if :: p!=NIL -> lk[p]=0 :: else fi; goto again :: else fi;
     go=0;
     if :: dead[n] && !gone[n] && (head[n]==NIL || nxt[head[n]]==NIL) ->
        gone[n]=1; go=1; c=head[n];
        if :: c!=NIL ->
             q=prv[n]; prv[c]=q; birth[c]=birth[n];
#ifdef PARENTFIRST
             parent[c]=p; nxt[c]=nxt[n];
#else
             nxt[c]=nxt[n]; parent[c]=p;
#endif
             if :: nxt[n]!=NIL -> prv[nxt[n]]=c :: else fi
           :: else -> q=prv[n]; c=nxt[n]; if :: c!=NIL -> prv[c]=q :: else fi
        fi;
        if :: q!=NIL -> nxt[q]=c :: q==NIL && p!=NIL -> head[p]=c :: else fi;
        c=head[n];
       :: else fi;
     lk[n]=0; if :: p!=NIL -> lk[p]=0 :: else fi;
     if :: go && c==NIL -> n=p :: else -> break fi;
     again: skip
  od }
proctype E(byte me){ byte n,p,c,q; bit go; dead[me]=1; reap(me); exits++ }
inline follow(){
  skip;
#ifndef NOFOLLOW
  do :: top!=NIL && gone[top] -> top=head[top]; stamp=0 :: else -> break od
#endif
}
/* m was read as top's: is it too old? */
inline tooold(){
  b=birth[m]; old=0;
  if :: b<=stamp ->
#ifndef NOAGAIN
        follow();
#endif
        old=(b<=stamp)
     :: else fi
}
proctype W(){ byte cur, top=0; byte m, up, b; bit old;
#ifdef OWNER
 top=1; stamp=3; do :: gone[top] -> top=head[top]; stamp=0 :: else -> break od;
#endif
 cur=top;
down: seen[cur]=1;
 m=head[cur];
 if :: m!=NIL && cur==top -> tooold(); if :: old -> goto end :: else cur=m; goto down fi
    :: m!=NIL && cur!=top -> cur=m; goto down
    :: else fi;
side:
#ifdef UPFIRST
 m=nxt[cur]; up=parent[cur];
#else
 up=parent[cur]; m=nxt[cur];
#endif
 follow();
 if :: top==NIL || cur==top -> goto end :: else fi;
 if :: m!=NIL && up==top -> tooold(); if :: old -> goto end :: else cur=m; goto down fi
    :: m!=NIL && up!=top -> cur=m; goto down
    :: else fi;
 if :: up==NIL -> goto end :: else fi;
 cur=up; if :: cur==top -> goto end :: else fi;
 goto side;
end:
 assert(seen[3]);
#ifdef OWNER
#ifdef NOFOLLOW
 assert(!seen[4]);
#endif
#else
 assert(seen[4]);
#endif
 wdone=1 }
init { byte i; atomic { for (i:0..5){ parent[i]=NIL; head[i]=NIL; nxt[i]=NIL; prv[i]=NIL }
  birth[1]=2; birth[4]=1; birth[2]=4; birth[5]=5; birth[3]=1;
  head[0]=1; nxt[1]=4; prv[4]=1; parent[1]=0; parent[4]=0; head[1]=5; nxt[5]=2; prv[2]=5; parent[5]=1; parent[2]=1; head[2]=3; parent[3]=2;
  run E(1); run E(2); run E(5); run W() }
  (exits==3 && wdone);
  assert(gone[1]&&gone[2]&&gone[5]&&!gone[3]); assert(head[0]==3 && nxt[3]==4 && nxt[4]==NIL && parent[3]==0 && head[3]==NIL && prv[4]==3) }
