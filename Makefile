# SPDX-License-Identifier: BSD-2-Clause
#
# Short names for what CMake and the scripts do. Plain `make` leaves build/rmap, build/librmap.a and
# build/libmm.a; `make help` lists the rest.

PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: all help live-bench setup demo check check-long fuzz coverage mutation oom tidy format rows results scale install clean

all: ## build the command and both libraries (release)
	@command -v cmake >/dev/null && command -v ninja >/dev/null || { \
		echo "make: cmake or ninja is missing; 'scripts/setup.sh build' installs what a build needs" >&2; \
		exit 1; }
	@[ -e build/build.ninja ] || cmake --preset release
	@cmake --build --preset release

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

setup: ## install the Debian packages that are missing
	@scripts/setup.sh

demo: ## install what is missing, build, replay what is recorded, draw
	@scripts/setup.sh build
	@$(MAKE) --no-print-directory all
	@scripts/demo.sh

check: ## install what is missing, build and test everything
	@scripts/check.sh

check-long: ## the same, and the tests that take minutes by themselves
	@scripts/check.sh --long

fuzz: ## fuzz each target for FUZZ_SECONDS (60)
	@scripts/setup.sh
	@scripts/fuzz.sh

.PHONY: fuzz-long
fuzz-long: all ## FUZZ_OPS (1000000000) operations in FUZZ_JOBS (all processors) processes; stopped, it goes on
	@build/rmap-fuzz --ops "$${FUZZ_OPS:-1000000000}" --jobs "$${FUZZ_JOBS:-$$(nproc)}" \
		--state "$${FUZZ_STATE:-build/fuzz-long.state}"

coverage: ## lines, branches and MC/DC of src/ that tests reach, against the goals (COVERAGE=--help)
	@scripts/setup.sh
	@scripts/coverage.sh $(COVERAGE)

mutation: ## machine-made mistakes in src/, a sample of them: does a test see each? (MUTATION=--help)
	@scripts/setup.sh
	@tests/mutation/mutation.py $(MUTATION)

weave: ## explore interleavings for WEAVE_SECONDS (3600), named scenarios and every pair of operations
	@scripts/setup.sh build
	@scripts/weave.sh

.PHONY: stress
stress: ## ten minutes of real threads on each design under each checker, hours in all; stopped, it goes on (STRESS=--help)
	@scripts/setup.sh
	@scripts/stress.py $(STRESS)

oom: all ## out of memory at every allocation of every operation and unit test, on every design
	@scripts/oom.py --whole

tidy: ## clang-tidy
	@scripts/tidy.sh

format: ## clang-format
	@scripts/format.sh

rows: ## rows of the semantics checklist and the tests that cover them
	@scripts/rows.py

results: all ## all designs on all workloads: docs/results.md and its plots
	@scripts/setup.sh
	@bench/designs/run

scale: all ## what threads cost each other: docs/scaling.md and its plots; leave the machine alone
	@scripts/setup.sh
	@bench/scale/run

live-bench: all ## who, sharing and breaks on many processes and a real Redis (as root)
	@bench/live/run.py build
	@bench/live-breaks.sh

.PHONY: hostile
hostile: all ## what one process can do to others: docs/hostile.md
	@bench/hostile/run

install: all ## install to PREFIX (/usr/local), below DESTDIR if given
	@DESTDIR="$(DESTDIR)" cmake --install build --prefix "$(PREFIX)"

clean: ## remove everything that was built
	@rm -rf build build-debug build-asan build-tsan build-lockdep build-locktime build-weave build-weave-tsan build-weave-asan build-clang build-fuzz build-coverage build-mutation
