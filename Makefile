# SPDX-License-Identifier: GPL-2.0
# Entry points. The work is done by the scripts in the two folders below;
# everything that is big or downloaded lives in ~/.cache/pkvm-iommu.

# Guests in QEMU; the EL2 code on the build machine.
T := tools/testing/selftests/pkvm_iommu/qemu
R := tools/testing/pkvm_iommu
MAKEFLAGS += --no-print-directory

# Given on the command line of make, read by the scripts.
export KERNEL_SRC DEBIAN_MIRROR
export MACHINE CPU SMP MEM APPEND QEMU JOBS NIGHTLY_MINUTES SOAK_MINUTES PAGES

.PHONY: help setup image run test check mutants coverage nightly series shell bench distro install footprint clean distclean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  KERNEL_SRC=path   a 7.3 tree, tarball or .deb instead of the download'
	@echo '  make test TESTS="name ..."   only these configurations ($T/configs)'
	@echo '  make check PAGES=64K   as in a kernel with pages of 64 KiB; or 16K'
	@echo '  NIGHTLY_MINUTES=10   how long make nightly checks with random seeds'
	@echo '  SOAK_MINUTES=60   how long make nightly lets everything run at once'

run: image ## the demo: every attack, with the protection off and on
	@$T/run.sh demo

# The test runner sets up and builds by itself: a build that fails is then a
# failed test, and the last line is the count whatever happens.
test: ## all tests, TAP on stdout; the last line is the count
	@$T/run.sh test $(TESTS)

image: setup ## build/Image and build/config
	@$T/build.sh

setup: ## install what is missing, download the kernel source and busybox
	@$T/setup.sh

shell: image ## a shell in the booted host (leave with Ctrl-A x)
	@$T/run.sh shell

check: setup ## the EL2 code on this machine: random walks against a software SMMUv3
	@$R/check.sh

mutants: setup ## break each protection in turn: does the check notice?
	@$R/mutants.sh

coverage: image ## which lines of the EL2 code the tests in QEMU run (TESTS="name ...")
	@$T/coverage.sh $(TESTS)

nightly: ## what is too long for make test; resumes (STEPS="name ...")
	@$T/run.sh nightly $(STEPS)

bench: image ## what the protection costs (TABLES=scale: two CPUs only)
	@$T/run.sh bench $(TABLES)

distro: ## Debian's kernel and user space with the layer, at work and attacked (an hour)
	@$T/run.sh distro

install: ## put the overlay and the patches into your 7.3 tree, KERNEL=dir
	@$T/tree.sh install "$(KERNEL)"

series: setup ## the overlay and the patches as a series for git am, OUT=dir
	@$T/series.sh make "$(if $(OUT),$(OUT),build/series)"

footprint: ## lines that patches/7.3 changes in existing kernel files
	@$T/footprint.sh

clean: ## remove build/
	rm -rf build

distclean: clean ## remove the cache too (kernel source, objects, downloads)
	@$T/setup.sh remove
