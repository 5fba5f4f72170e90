/* SPDX-License-Identifier: BSD-2-Clause */
/* Migration while its page's relatives fork and exit. O=0 has the page; X=1 is O's child and has it too; D=2 is forked by X, meanwhile.
   The first walk turns PTEs into migration entries (page lock), the second one turns all of these into PTEs: of the new frame, or of the
   old one if somebody maps that still. Fork copies entries as it finds them. O and X may exit: they zap what they have, and leave the
   tree; a node stays as long as it is named, and a grace period. The page counts its owner before it is unmapped.
   Asserted: nobody touches a node that was freed; in the end no migration entry is left, and nobody maps the old frame if it was given up.
   -DNOCOUNT: the old page does not hold its owner while entries stand for it.  -DSTOP: the second walk stops when it has restored as
   many as the first one took.  -DLINKLATE: a child is in the tree after the copy.  -DHEADFIRST: children are read before their parent is looked at.
   -DBARE: fork copies an entry without the locks of the two tables. */
#define NIL 9
#define NONE 0
#define OLD 1
#define MIG 2
#define NEW 3
byte e[3]; byte ptl[3]; byte head[3]; bit gone[3]; byte refs[3]; bit named[3]; byte late[3]; byte inside=0;
byte oldcount=2; byte newcount=0; bit page=0; bit counted=0; bit moved=0; byte done=0;
inline lock(l){ atomic{ l==0 -> l=1 } }
inline touch(n){ assert(named[n] || (late[n] & (1<<me))) }
inline enter(){ inside=inside|(1<<me) }
inline leave(){ d_step{ inside=inside&~(1<<me); for (k:0..2) { late[k]=late[k]&~(1<<me) }; k=0 } }
inline put(n0){
  z=n0;
  do
  :: z==NIL -> break
  :: else -> touch(z); atomic{ assert(refs[z]>0); refs[z]--; last=(refs[z]==0) };
     if :: last -> d_step{ y=(gone[z] -> head[z] : NIL); named[z]=0; late[z]=inside }; z=y :: else -> break fi
  od }
/* counted: by who is the owner, as long as he maps it, or holds the page lock */
inline count(){
#ifndef NOCOUNT
  atomic{ if :: !counted -> counted=1; assert(refs[0]>0); refs[0]++ :: else fi }
#else
  skip
#endif
}
inline zap(n){
  lock(ptl[n]);
  if :: e[n]==OLD -> if :: n==0 -> count() :: else fi; oldcount--
     :: e[n]==NEW -> newcount--
     :: else fi;
  e[n]=NONE; ptl[n]=0 }
/* Its only child takes its place, and is kept as forwarded to; what forwarded to X is sent on (tree locks). */
inline go(n){
  enter(); touch(n);
  atomic{ gone[n]=1; if :: head[n]!=NIL -> refs[head[n]]++ :: else fi;
    if :: n==1 && head[0]==1 && !gone[0] -> head[0]=head[1]
       :: n==1 && head[0]==1 && gone[0] && named[0] && head[1]!=NIL -> head[0]=head[1]; refs[head[1]]++; refs[1]--
       :: else fi };
  put(n); leave() }
proctype EO(){ byte me=0, k, z, y; bit last; zap(0); go(0); done++ }
proctype X(){ byte me=1, k, z, y; bit last;
  if :: 1 ->
#ifndef LINKLATE
        head[1]=2;
#endif
#ifndef BARE
        lock(ptl[2]); lock(ptl[1]);
#endif
        z=e[1]; if :: z==OLD -> oldcount++ :: z==NEW -> newcount++ :: else fi;
        e[2]=z;
#ifndef BARE
        ptl[1]=0; ptl[2]=0;
#endif
#ifdef LINKLATE
        head[1]=2
#endif
     :: skip fi;
  if :: zap(1); go(1) :: skip fi;
  done++ }
inline visit(n){
  lock(ptl[n]);
  if :: !second && e[n]==OLD -> e[n]=MIG; oldcount--; took++
     :: second && e[n]==MIG -> took--; if :: moved -> e[n]=NEW; newcount++ :: else -> e[n]=OLD; oldcount++ fi
     :: else fi;
  ptl[n]=0 }
#ifdef STOP
#define END (second && took==0)
#else
#define END 0
#endif
inline walk(){
  enter(); touch(0); cur=0;
  do :: cur==NIL || END -> break
     :: else -> touch(cur);
#ifdef HEADFIRST
        n=head[cur]; if :: !gone[cur] -> visit(cur) :: else fi; cur=n
#else
        if :: !gone[cur] -> visit(cur) :: else fi; cur=head[cur]
#endif
  od;
  leave() }
proctype M(){ byte me=2, k, z, y, cur, n, took=0; bit last, second=0;
  lock(page);
  /* Nobody maps it any more: nothing to move. */
  enter();
  atomic{ if :: oldcount>0 -> n=1; count() :: else -> n=0 fi };
  leave();
  if :: n -> walk(); moved=(oldcount==0); second=1; walk() :: else fi;
  page=0; done++ }
init { byte me=3, k, z, y; bit last;
  atomic{ e[0]=OLD; e[1]=OLD; head[0]=1; head[1]=NIL; head[2]=NIL; refs[0]=1; refs[1]=1; refs[2]=1; named[0]=1; named[1]=1; named[2]=1;
    run EO(); run X(); run M() }
  done==3;
  assert(e[0]!=MIG && e[1]!=MIG && e[2]!=MIG);
  if :: moved -> assert(e[0]!=OLD && e[1]!=OLD && e[2]!=OLD) :: else fi;
  if :: counted -> put(0) :: else fi;
  assert(!named[0]) }
