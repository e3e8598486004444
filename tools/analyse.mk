# gcc's analyser over our C: paths on which memory is freed twice or used after it, a pointer is null, an index out of
# bounds, a loop without end. A file is analysed again when it or a header changed. `npm run check -- c-analysis`.
#
# Not asked: uninitialised values, because the launcher gives addresses to raw system calls as numbers, and the analyser
# does not see the kernel write there (the builds' own -Wall asks this); descriptors that stay open and values from
# outside, because the programs that use libc are tests and benchmarks, which end at once and read what the tests wrote.
# Unoptimised code gives the same findings from gcc 12 to gcc 14.
ANALYSE := gcc -std=gnu11 -O0 -Wall -Wextra -Werror -fanalyzer -Wno-analyzer-use-of-uninitialized-value \
  -Wno-analyzer-fd-leak -Wno-analyzer-fd-use-without-check -Wno-analyzer-tainted-allocation-size \
  -Wno-analyzer-tainted-assertion -Wno-analyzer-tainted-offset -Inode_modules/node-api-headers/include

# Compiled for eBPF by clang, or with a header that the test generates.
FOREIGN := bench/reference/ebpf/% test/object/judge.c
# The replay has assembly for x86-64 only.
ifneq ($(shell uname -m),x86_64)
FOREIGN += test/engines/replay.c
endif
# Its headers come with the packages of `make kernel`.
ifeq ($(wildcard /usr/include/criu/criu-plugin.h),)
FOREIGN += kernel/criu/%
endif
SOURCES := $(filter-out $(FOREIGN),$(shell find native bench demo kernel/machine kernel/bpf-selftests kernel/criu test -name '*.c'))
ANALYSED := $(SOURCES:%.c=build/analysis/%.o)

all: $(ANALYSED)

build/analysis/%.o: %.c tools/analyse.mk
	@mkdir -p $(@D)
	@$(ANALYSE) $(if $(filter native/launcher/% test/engines/replay.c,$<),-ffreestanding -fno-builtin) $(if $(filter kernel/criu/%,$<),-D_GNU_SOURCE -fno-strict-aliasing) $(if $(filter test/bundle/reader.c,$<),-include test/bundle/fake_kernel.h) -MMD -MP -c -o $@ $<

-include $(ANALYSED:.o=.d)
