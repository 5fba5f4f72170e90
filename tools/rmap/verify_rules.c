// SPDX-License-Identifier: BSD-2-Clause
/*
 * The rules: everything in which the two sides are made equal, or not held against each other.
 *
 * A referee that looks away is no referee. So whatever is steered (the kernel is brought to do one thing out of several that
 * it may), or normalised (a difference that means nothing is not seen) has its line here, is counted each time where that can
 * be counted, and is printed with the result. docs/referee.md lists the same; a test holds the two together.
 */
#include "verify_int.h"

const struct verify_rule verify_rules[] = {
	[RULE_HOUSE] = { "house",
			 "a puppet's own two mappings, above mmap_base, are left out of layouts "
			 "and sizes",
			 "a process cannot do without code, a stack and a word to wait on; all of "
			 "it "
			 "is shared memory, so it is not copied, charged or counted as data" },
	[RULE_MMAP_BASE] = { "mmap-base",
			     "address randomisation is off for the tester and its puppets, and the "
			     "stack limit is 8 MiB when they start",
			     "then mmap and mremap choose the same address on both sides, and it "
			     "is "
			     "compared" },
	[RULE_ONE_PROCESSOR] = { "one-processor",
				 "tester and puppets run on one processor, and its lists of pages "
				 "on their way "
				 "to the LRU lists are emptied before each operation",
				 "such pages hold a reference, which MADV_PAGEOUT, MADV_COLD and "
				 "copy-on-write "
				 "see, and the tester's looks put them there" },
	[RULE_SMALL_PAGES] = { "small-pages",
			       "PR_SET_THP_DISABLE in each puppet; files are written a page at a "
			       "time and opened with POSIX_FADV_RANDOM; behind MADV_PAGEOUT they "
			       "are synced on both sides",
			       "the engine has no huge pages and no folios of several pages; what "
			       "MADV_PAGEOUT leaves, being dirty, looks to the next fault like "
			       "readahead's mark, and gets it a large folio" },
	[RULE_EXEC_ONLY] = { "exec-only", "each puppet holds all of its protection keys",
			     "a processor with keys has the kernel spend one on PROT_EXEC alone, "
			     "which then cannot be read; without keys, as in the engine, it can" },
	[RULE_FETCH] = { "fetch",
			 "one instruction of each page is run, single-stepped, with harmless "
			 "registers; "
			 "what it does is not compared",
			 "a page holds a pattern and no program" },
	[RULE_PINS] = { "pins",
			"a page that cannot be pinned is EFAULT live, whatever signal an access "
			"would "
			"have had; a debugger's hold is a write of the same bytes through "
			"/proc/PID/mem",
			"vmsplice and io_uring have one error for all, and no system call holds a "
			"page as a "
			"debugger" },
	[RULE_EXEC] = { "exec",
			"exec to an empty address space is a fresh puppet, with the old one's "
			"limits",
			"a real exec would bring a program along" },
	[RULE_FAULT_AROUND] = { "fault-around",
				"file pages that the kernel mapped around a fault, and the engine "
				"did "
				"not, are unmapped by MADV_DONTNEED",
				"which pages a fault brings along depends on what the page cache "
				"holds; "
				"the engine runs with fault_around off" },
	[RULE_PAGE_CACHE] = { "page-cache",
			      "mincore: a page of a file with a store that no entry shows, on "
			      "neither "
			      "side, may be resident on one; so may one that only the kernel has",
			      "readahead and the page cache of a whole file are the kernel's "
			      "choice" },
	[RULE_OPEN_FILES] = { "open-files",
			      "random operations map each file with one mode only (r, w or rw)",
			      "the kernel merges mappings of one open file, and each mode is one "
			      "of its "
			      "own; to the engine a file is one" },
	[RULE_CAPABILITIES] = { "capabilities",
				"a puppet's effective capabilities are what the workload gives it, "
				"and "
				"CAP_SYS_RESOURCE where this process has it",
				"root passes by the limits that are tested; the one that stays is "
				"asked "
				"for by no call that is compared" },
	[RULE_LIMITS] = { "limits",
			  "RLIMIT_AS is larger by the house; RLIMIT_MEMLOCK is larger by the house "
			  "within mlockall (or the right to lock is lent, where the hard limit has "
			  "no "
			  "room for that), and the house is unlocked behind it",
			  "the house counts as mapped memory" },
	[RULE_OVERCOMMIT] = { "overcommit",
			      "the engine's overcommit policy is \"always\"; a mapping larger than "
			      "this "
			      "machine's memory ends the session as skipped",
			      "the kernel's heuristic refuses only what exceeds all memory and "
			      "swap, "
			      "and the two machines' sizes differ" },
	[RULE_LAZYFREE] = { "lazyfree",
			    "smaps' LazyFree is not compared with --swap, nor once a page was "
			    "pinned",
			    "who unpins a page says whether it is dirty, and MADV_FREE passes by a "
			    "dirty shared one; whether MADV_FREE takes a shared page depends on "
			    "whether it was still being written when it came back from swap" },
	[RULE_HEAP] = { "heap",
			"the heap of a process that was never told where begins at mmap_min_addr, "
			"on "
			"both sides; setbrk is prctl(PR_SET_MM)",
			"without exec there is no end of a program behind which it would begin" },
	[RULE_NO_SWAP] = { "no-swap",
			   "without --swap, and once the engine has reclaimed by itself, a "
			   "page that one side has in swap counts as present, and its map "
			   "count is not compared; with --swap, who shares it is then not "
			   "compared either; where the machine has swap of its own, "
			   "MADV_PAGEOUT is given as MADV_COLD",
			   "the kernel has nowhere to put it, or no reason; or the machine "
			   "has swap of its own, and the engine none" },
	[RULE_PAGEOUT] = { "pageout",
			   "with --swap, MADV_PAGEOUT is given again, for up to 20 ms, while pages "
			   "are there "
			   "that the engine took out",
			   "the kernel leaves pages alone that are being written, and how long "
			   "that takes "
			   "is the device's matter" },
	[RULE_RECLAIM] = { "reclaim",
			   "reclaim, balance, migrate and hibernate are done by the engine alone, "
			   "without "
			   "--swap also swapoff and swapon; file pages, and pages given up by "
			   "MADV_FREE, that "
			   "it dropped are unmapped by MADV_DONTNEED on the live side when their "
			   "process is "
			   "compared, and until then a file page's map count may be higher there",
			   "when to reclaim is the kernel's choice, and what it must not change "
			   "(contents, sharing, layout) is compared all the same" },
	[RULE_SETTINGS] = { "settings",
			    "mmap_min_addr and max_map_count of the engine are this machine's "
			    "(the latter less the house); a workload that asks for others, for a "
			    "guard "
			    "gap, an overcommit policy but \"always\", or failing allocations is "
			    "skipped",
			    "no setting of the machine is touched" },
	[RULE_ANONMM] = { "anonmm",
			  "with --design anonmm, who shares an anonymous page with whom, its map "
			  "count, and "
			  "smaps' counts are not compared; with --swap it is skipped",
			  "that design must copy a shared page when mremap moves it, and what is "
			  "not shared "
			  "goes to swap; contents, layout and what is present are compared all the "
			  "same" },
	[RULE_ENGINE_ALONE] = { "engine-alone",
				"expectations, checks, phases, probes and snapshots are the "
				"engine's; "
				"\"verify\" is passed by",
				"they are statements about its inside; reading everything back "
				"would "
				"fault pages in on one side" },
	[RULES] = { NULL, NULL, NULL },
};
