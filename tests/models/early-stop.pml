/* SPDX-License-Identifier: BSD-2-Clause */
/* walk that removes nothing, stop when found>=mapcount, three mms visited in order 0,1,2; 0 or 1 may drop its mapping. ageing flag must reach every PTE that is still there */
byte e[3]; byte mapcount=3; byte done=0; byte found=0;
proctype Z(){ if :: atomic{ e[0]!=0 -> e[0]=0; mapcount-- } :: skip fi; done++ }
proctype W(){ byte n; for (n:0..2) { if :: found>=mapcount -> skip :: else -> atomic{ if :: e[n]!=0 -> e[n]=3; found++ :: else fi } fi } done++ }
init { byte n; atomic{ e[0]=1; e[1]=1; e[2]=1; run Z(); run W() } done==2; for (n:0..2) { assert(e[n]!=1) } }
