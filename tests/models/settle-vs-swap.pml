/* SPDX-License-Identifier: BSD-2-Clause */
/* Settling while swap entries stand for the page. O=0; X=1, Y=2 its children; D=3, to be forked by Y. All have the page's swap entry,
   its slot covers O and all children, and each of X, Y may read the page in (page lock), or let go of what it has, at any time; a
   walk (page lock) settles the page with whoever it finds; reclaim (page lock) takes it out once more, by the same slot, which it fills
   anew if no entry names it. In the end each PTE must be covered by the page's owners, and each entry by the slot's.
   Default: as built. -DNOREJOIN: who reads the page in does not tell first. -DREFILL: the slot is filled anew in any case. */
#define NIL 9
#define NONE 0
#define PTE 1
#define SWAP 2
byte par[4]; byte birth[4]; byte clk[4]; byte head[4]; byte nxt[4]; byte e[4]; bit ptl[4]; bit page=0; byte done=0;
bit own[4]; byte stamp[4]; bit sown[4]; byte sstamp[4];
inline lock(l){ atomic{ l==0 -> l=1 } }
inline in(n){ lock(page); lock(ptl[n]);
  if :: e[n]==SWAP ->
#ifndef NOREJOIN
        atomic{ for (i:0..3) { own[i]=sown[i]; stamp[i]=sstamp[i] } };
#endif
        e[n]=PTE
     :: else fi; ptl[n]=0; page=0 }
inline zap(n){ lock(ptl[n]); e[n]=NONE; ptl[n]=0 }
proctype FY(){ atomic{ birth[3]=clk[2]+1; par[3]=2; nxt[3]=head[2]; head[2]=3 };
  atomic{ ptl[2]==0 -> ptl[2]=1 }; e[3]=e[2]; ptl[2]=0; clk[2]=birth[3]; done++ }
proctype P(byte n){ byte i; if :: in(n) :: skip fi; if :: zap(n) :: skip fi; done++ }
inline look(n){ arr[n]=clk[n]; lock(ptl[n]); if :: e[n]==PTE -> hit[n]=1; nr++ :: else fi; ptl[n]=0 }
proctype W(){ bit hit[4]; byte arr[4]; byte nr=0, c, g, i; bit since=0;
  lock(page);
  look(0); c=head[0];
  do :: c==NIL -> break
     :: else -> look(c); g=head[c]; do :: g==NIL -> break :: else -> look(g); g=nxt[g] od; c=nxt[c] od;
  if :: nr>1 -> for (i:0..3) { if :: hit[i] -> c=head[i]; if :: clk[i]!=arr[i] -> since=1 :: else fi;
        if :: c!=NIL && birth[c]>arr[i] -> since=1 :: else fi :: else fi } :: else fi;
  if :: nr>0 && !since -> atomic{ for (i:0..3) { own[i]=hit[i]; stamp[i]=arr[i] } } :: else fi;
  page=0; done++ }
/* Takes the PTEs of all, as a walk does that may not miss one. */
proctype R(){ byte i; bit entries=0;
  lock(page);
  for (i:0..3) { if :: e[i]==SWAP -> entries=1 :: else fi };
#ifdef REFILL
  entries=0;
#endif
  if :: !entries -> atomic{ for (i:0..3) { sown[i]=own[i]; sstamp[i]=stamp[i] } } :: else fi;
  for (i:0..3) { lock(ptl[i]); if :: e[i]==PTE -> e[i]=SWAP :: else fi; ptl[i]=0 };
  page=0; done++ }
/* by how many owners is n covered: of the page, of the slot */
inline cover(n){ k=0; if :: own[n] -> k++ :: else fi; a=n;
  do :: par[a]==NIL -> break :: else -> if :: own[par[a]] && birth[a]>stamp[par[a]] -> k++ :: else fi; a=par[a] od }
inline scover(n){ k=0; if :: sown[n] -> k++ :: else fi; a=n;
  do :: par[a]==NIL -> break :: else -> if :: sown[par[a]] && birth[a]>sstamp[par[a]] -> k++ :: else fi; a=par[a] od }
init { byte n,a,k; atomic { for (n:0..3){ head[n]=NIL; nxt[n]=NIL; par[n]=NIL; e[n]=SWAP }; e[3]=NONE;
  clk[0]=2; birth[2]=1; par[2]=0; birth[1]=2; par[1]=0; head[0]=1; nxt[1]=2;
  own[0]=1; sown[0]=1; run FY(); run P(1); run P(2); run W(); run R() }
  done==5;
  atomic { for (n:0..3) { if :: e[n]==PTE -> cover(n); assert(k>0) :: e[n]==SWAP -> scover(n); assert(k>0) :: else fi } } }
