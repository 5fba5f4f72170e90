#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A sequential model of `lineage` (docs/designs/lineage.md), checked against brute force: no claim about speed or threads.

Address spaces are dicts from page number to Page or Slot (a swap entry); every walk is compared with a scan of all of them. Random forks, exits, writes, maps,
unmaps, moves, swap-outs and swap-ins; dead nodes leave the tree and forward. Also checked: children stay ordered by birth, and the tree has at
most 2 * live - 1 nodes. Usage: sequence.py SEEDS.
"""
import random, sys
class Node:
    __slots__=('mm','parent','children','birth','clock','pages','fwd','out')
    def __init__(s,mm,parent=None):
        s.mm=mm;s.parent=parent;s.children=[];s.birth=0;s.clock=0;s.pages=0;s.fwd=None;s.out=False
        if parent is not None:
            parent.clock+=1;s.birth=parent.clock;parent.children.insert(0,s)
ALL=set()
FORWARDERS=set()
STAT=[0,0]  # walks, node visits incl. dead and forwarding steps
def drop(n):   # n is out of the tree: free when no page and no forwarder names it
    while n is not None and n.out and n.pages==0:
        FORWARDERS.discard(n); f=n.fwd; n.fwd=None
        if f is not None: f.pages-=1
        n=f
def reap(n):
    if n is None: return
    if n.out: drop(n); return
    while n is not None and n.mm is None and not n.out and len(n.children)<=1:
        p=n.parent
        n.out=True; ALL.discard(n); FORWARDERS.add(n)
        if n.children:
            c=n.children[0]; c.parent=p
            if p is not None:
                i=p.children.index(n); p.children[i]=c; c.birth=n.birth
            else: c.birth=0
            n.children=[]; n.fwd=c; c.pages+=1
            drop(n); return     # p keeps its number of children
        if p is not None: p.children.remove(n)
        drop(n); n=p
def resolve(o,st):
    k=0; x=o; path=[]
    while x is not None and x.out: path.append(x); x=x.fwd; k+=1
    for y in reversed(path[:-1]):                       # path compression
        if x is not None and y.fwd is not x:
            f=y.fwd; y.fwd=x; x.pages+=1; f.pages-=1; drop(f)
    return (x,st if k==0 else -1,k)
class Page:
    __slots__=('owner','stamp','index','mapcount','slot')
    def __init__(s,owner,index): s.owner=None;s.slot=None;s.index=index;s.mapcount=0;s.own(owner,owner.clock)
    def own(s,o,st):
        old=s.owner; o.pages+=1; s.owner=o; s.stamp=st
        if old is not None: old.pages-=1; reap(old)
    def free(s):
        o=s.owner; o.pages-=1; s.owner=None; reap(o)
class Slot:
    __slots__=('owner','stamp','index','count','page')
class MM:
    def __init__(s,parent=None):
        s.vmas=[] # [start,len,home]
        s.pt={}   # addr -> Page or Slot
        s.node=Node(s,parent.node if parent else None); ALL.add(s.node)
looks=0
def in_mm(mm,page):
    global looks
    out=[]
    looks+=1
    if mm.pt.get(page.index) is page: out.append((mm,page.index))
    for st,ln,home in mm.vmas:
        if st!=home and home<=page.index<home+ln:
            looks+=1
            a=st+page.index-home
            if mm.pt.get(a) is page: out.append((mm,a))
    return out
def walk(page,early=True):
    global looks
    looks=0
    found=[]
    def visit(n,stamp):
        STAT[1]+=1
        if n.mm is not None: found.extend(in_mm(n.mm,page))
        else:
            global looks
            looks+=0
        if early and len(found)==page.mapcount: return True
        for c in n.children:
            if c.birth<=stamp: break
            if visit(c,-1): return True
        return False
    o,st,k=resolve(page.owner,page.stamp); STAT[0]+=1; STAT[1]+=k
    if o is not None: visit(o,st)
    return found
def tighten(page,found):
    if page.slot is not None and page.slot.count>0: return
    if not found: return
    # LCA
    def path(n):
        p=[]
        while n is not None: p.append(n); n=n.parent
        return p[::-1]
    paths=[path(m.node) for m,_ in found]
    k=0
    while all(len(p)>k for p in paths) and len({id(p[k]) for p in paths})==1: k+=1
    x=paths[0][k-1]
    births=[p[k].birth for p in paths if len(p)>k]
    page.own(x, min(births)-1 if births else x.clock)
mms=[]
def all_maps(page): return {(id(m),a) for m in mms for a,e in m.pt.items() if e is page}
def put_pte(mm,a):
    e=mm.pt.pop(a,None)
    if e is None: return
    if isinstance(e,Page):
        e.mapcount-=1
        maybe_free(e)
    else: put_slot(e)
def put_slot(s):
    s.count-=1
    if s.count==0 and s.page is None:
        s.owner.pages-=1; o=s.owner; s.owner=None; reap(o)
    elif s.count==0 and s.page is not None:
        p=s.page; s.page=None; p.slot=None
        s.owner.pages-=1; o=s.owner; s.owner=None; reap(o)
        maybe_free(p)
def maybe_free(p):
    if p.mapcount==0:
        if p.slot is not None:
            s=p.slot
            if s.count>0:
                # drop cache page; slot remains
                s.page=None; p.slot=None; p.free(); return
        p.free()
def vma_at(mm,a):
    for v in mm.vmas:
        if v[0]<=a<v[0]+v[1]: return v
def write(mm,a):
    v=vma_at(mm,a)
    if not v: return
    e=mm.pt.get(a)
    if isinstance(e,Slot): swapin(mm,a); e=mm.pt[a]
    idx=v[2]+a-v[0]
    if e is None:
        p=Page(mm.node,idx); p.mapcount=1; mm.pt[a]=p; return
    if e.mapcount==1 and (e.slot is None or e.slot.count==0):
        assert e.index==idx
        e.own(mm.node,mm.node.clock); return
    put_pte(mm,a); p=Page(mm.node,idx); p.mapcount=1; mm.pt[a]=p
def swapin(mm,a):
    s=mm.pt[a]; v=vma_at(mm,a); idx=v[2]+a-v[0]
    assert s.index==idx,(s.index,idx)
    if s.page is None:
        p=Page(mm.node,idx)
        if s.count>1: p.own(s.owner,s.stamp); p.slot=s; s.page=p
    else: p=s.page
    p.mapcount+=1; mm.pt[a]=p
    put_slot(s)
def swapout(page):
    f=walk(page)
    chk(page,f)
    s=page.slot
    if s is None:
        s=Slot(); s.owner=page.owner; s.stamp=page.stamp; s.index=page.index; s.count=0; s.page=page; page.slot=s
        s.owner.pages+=1
    for m,a in f: m.pt[a]=s; s.count+=1; page.mapcount-=1
    assert page.mapcount==0
    s.page=None; page.slot=None; page.free()
def chk(page,f):
    got={(id(m),a) for m,a in f}; want=all_maps(page)
    assert got==want and len(f)==len(want),(got,want)
def fork(mm):
    c=MM(mm); c.vmas=[v[:] for v in mm.vmas]
    for a,e in mm.pt.items():
        c.pt[a]=e
        if isinstance(e,Page): e.mapcount+=1
        else: e.count+=1
    mms.append(c); return c
def exit_(mm):
    for a in list(mm.pt): put_pte(mm,a)
    mms.remove(mm); n=mm.node; n.mm=None; reap(n)
def mmap(mm,a,l):
    munmap(mm,a,l); mm.vmas.append([a,l,a])
def munmap(mm,a,l):
    nv=[]
    for st,ln,h in mm.vmas:
        e=st+ln
        if e<=a or st>=a+l: nv.append([st,ln,h]); continue
        if st<a: nv.append([st,a-st,h])
        if e>a+l: nv.append([a+l,e-a-l,h+(a+l-st)])
    mm.vmas=nv
    for x in range(a,a+l): put_pte(mm,x)
def mremap(mm,v,new):
    st,ln,h=v
    if abs(new-st)<ln: return
    munmap(mm,new,ln)
    if v not in mm.vmas: return
    faulted=any(x in mm.pt for x in range(st,st+ln))
    mm.vmas.remove(v)
    ents={x:mm.pt.pop(x) for x in range(st,st+ln) if x in mm.pt}
    if any(True for o in mm.vmas if o[0]<new+ln and new<o[0]+o[1]): raise SystemExit
    mm.vmas.append([new,ln,h if faulted else new])
    for x,e in ents.items(): mm.pt[new+x-st]=e
def run(seed,n,tight):
    global mms
    r=random.Random(seed); mms=[MM()]; ALL.clear();FORWARDERS.clear(); ALL.add(mms[0].node)
    mmap(mms[0],0,8)
    maxratio=0; tl=tp=0
    for i in range(n):
        m=r.choice(mms); op=r.random()
        if op<.10 and len(mms)<24: fork(m)
        elif op<.18 and len(mms)>1: exit_(m)
        elif op<.60 and m.vmas: v=r.choice(m.vmas); write(m,v[0]+r.randrange(v[1]))
        elif op<.66: mmap(m,r.randrange(40),r.randrange(1,6))
        elif op<.70: munmap(m,r.randrange(40),r.randrange(1,4))
        elif op<.78 and m.vmas: mremap(m,r.choice(m.vmas),r.randrange(60))
        elif op<.86:
            ps=[e for e in m.pt.values() if isinstance(e,Page)]
            if ps: swapout(r.choice(ps))
        elif op<.92:
            ss=[a for a,e in m.pt.items() if isinstance(e,Slot)]
            if ss: swapin(m,r.choice(ss))
        elif op<.93:
            if len(mms)<24:
                x=MM(); ALL.add(x.node); mms.append(x); mmap(x,0,8)
        else:
            ps=[e for e in m.pt.values() if isinstance(e,Page)]
            if ps:
                p=r.choice(ps); f=walk(p,early=False); chk(p,f); f=walk(p); chk(p,f); tl+=looks; tp+=len(f)
                if tight: tighten(p,f); f=walk(p); chk(p,f)
        if i%50==0:
            live=len(mms); own={id(p.owner) for mm in mms for p in mm.pt.values()}
            assert len(ALL)<=2*live-1,(len(ALL),live); assert len(FORWARDERS)<=len(own)+0,(len(FORWARDERS),len(own))
            for mm in mms:
                for p in mm.pt.values():
                    if isinstance(p,Page): chk(p,walk(p))
            for nd in ALL:
                b=[c.birth for c in nd.children]; assert b==sorted(b,reverse=True)
    return tl,tp

if __name__=='__main__':
    for tight in (0,1):
        L=P=0; STAT[0]=STAT[1]=0
        for sd in range(int(sys.argv[1])):
            l,p=run(sd,3000,tight); L+=l;P+=p
        print("forwarding","tighten" if tight else "plain","seeds ok",sys.argv[1],"looks/pte %.3f visits/walk %.2f"%(L/P,STAT[1]/STAT[0]))
