# SPDX-License-Identifier: Apache-2.0
# make            the static binary of ARCH (x86_64 or arm64) at build/ARCH/tapio
# make all-arch   both
# make run        build and print live events; ARGS='-t 10' passes arguments
# make test       what CI runs          make soak     the long versions
# make bench      figures and peers     make docs     the generated documents
# make kernels    Debian's kernels in QEMU, both architectures
# make install    binary, manual, completion, systemd unit, configuration; DESTDIR, PREFIX. make uninstall
# make help       all targets

VERSION := 0.1.0
HOST_ARCH := $(patsubst aarch64,arm64,$(shell uname -m))
ARCH ?= x86_64
OUT ?= build
B := $(OUT)/$(ARCH)
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system

ifeq ($(filter $(ARCH),x86_64 arm64),)
$(error ARCH=$(ARCH): unknown architecture; use x86_64 or arm64)
endif

# V=1 shows the commands
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')

CLANG := clang-19
STRIP_BPF := llvm-strip-19
triple_x86_64 := x86_64-linux-gnu
triple_arm64 := aarch64-linux-gnu
target_arch_x86_64 := x86
target_arch_arm64 := arm64
TRIPLE := $(triple_$(ARCH))
CC := $(if $(filter $(ARCH),$(HOST_ARCH)),gcc,$(TRIPLE)-gcc)
STRIP := $(if $(filter $(ARCH),$(HOST_ARCH)),strip,$(TRIPLE)-strip)
SYSROOT := $(if $(filter $(ARCH),$(HOST_ARCH)),,$(OUT)/sysroot-$(ARCH))
SYSROOT_READY := $(if $(SYSROOT),$(SYSROOT)/.ready)

WARN := -Wall -Wextra -Werror -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(CFLAGS) $(WARN) -D_GNU_SOURCE -I. -ffunction-sections -fdata-sections \
	-fno-common -fstack-protector-strong \
	$(if $(SYSROOT),-isystem $(SYSROOT)/usr/include -L$(SYSROOT)/usr/lib/$(TRIPLE))
LDLIBS := -lbpf -lelf -lz -llzma -lzstd -levent_extra -levent_core -lyaml -ljansson -lseccomp -lpthread
LDFLAGS_ALL := -static -Wl,--gc-sections -Wl,-z,noexecstack $(LDFLAGS)

BPF_CFLAGS := --target=bpf -g -O2 -Wall -Wextra -Werror -D__TARGET_ARCH_$(target_arch_$(ARCH)) \
	-Ibpf/include -I.

# A new file in a folder needs no edit here.
ROOMS := base event collect identity correlate pipeline export
LIB_SRC := $(wildcard $(addsuffix /*.c,$(ROOMS)) correlate/*/*.c)
CLI_SRC := $(wildcard cli/*.c)
TEST_SRC := $(wildcard tests/*.c tests/unit/*.c tests/live/*.c)
BPF_SRC := $(wildcard bpf/*.bpf.c)
TEST_BPF_SRC := $(wildcard tests/bpf/*.bpf.c)
EXAMPLE_SRC := $(wildcard examples/*.bpf.c)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
TEST_OBJ := $(TEST_SRC:%.c=$(B)/%.o)
BPF_IMG := $(BPF_SRC:%.bpf.c=$(B)/%.img.o)
TEST_BPF_IMG := $(TEST_BPF_SRC:%.bpf.c=$(B)/%.img.o) $(EXAMPLE_SRC:%.bpf.c=$(B)/%.img.o)

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all all-arch run test soak kernels bench docs check-docs deps clean help install uninstall install-headers build-tests

all: deps
	@$(MAKE) --no-print-directory $(B)/tapio

all-arch: deps
	@$(MAKE) --no-print-directory ARCH=x86_64 $(OUT)/x86_64/tapio
	@$(MAKE) --no-print-directory ARCH=arm64 $(OUT)/arm64/tapio

build-tests: deps
	@$(MAKE) --no-print-directory $(B)/tapio $(B)/tapio-test

run: ARCH := $(HOST_ARCH)
run: all
	@$(OUT)/$(HOST_ARCH)/tapio trace $(ARGS)

test:
	@OUT=$(OUT) tests/run $(TESTS)

soak:
	@OUT=$(OUT) tests/soak

# KERNEL=6.12 ARCH=arm64 choose from tests/kernels/table
kernels:
	@tools/install-deps build arm64 test kernels
	@$(MAKE) --no-print-directory ARCH=x86_64 build-tests
	@$(MAKE) --no-print-directory ARCH=arm64 build-tests
	@OUT=$(OUT) tests/kernels/run $(ARGS)

bench:
	@OUT=$(OUT) tests/bench/run $(ARGS)

deps:
	@tools/install-deps

help:
	@sed -n '2,10s/^# //p' Makefile

# ---- user space ----

$(B)/tapio: $(B)/tapio.debug
	$(call say,STRIP $@)
	$(Q)$(STRIP) -s -o $@ $<

$(B)/tapio.debug: $(LIB_OBJ) $(BPF_IMG) $(CLI_OBJ)
	$(call say,LINK  $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

$(B)/tapio-test: $(LIB_OBJ) $(filter-out $(B)/cli/main.o,$(CLI_OBJ)) $(BPF_IMG) $(TEST_BPF_IMG) $(TEST_OBJ)
	$(call say,LINK  $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

$(B)/%-bench: $(B)/tests/bench/%_bench.o $(LIB_OBJ) $(BPF_IMG) $(TEST_BPF_IMG)
	$(call say,LINK  $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

$(B)/%.o: %.c Makefile | $(SYSROOT_READY)
	@mkdir -p $(@D)
	$(call say,CC    $<)
	$(Q)$(CC) $(ALL_CFLAGS) -DTAPIO_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

# holds the example, to see whether it still parses
$(B)/tests/unit/config.o: deploy/tapio.yaml

# ---- BPF objects, embedded whole ----

$(B)/%.bpf.o: %.bpf.c Makefile
	@mkdir -p $(@D)
	$(call say,BPF   $<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -mcpu=$(if $(findstring _abi.bpf.c,$<),v1,v2) -MMD -MP -MT $@ -c -o $@.tmp $<
	$(Q)$(STRIP_BPF) -g -o $@ $@.tmp
	@rm -f $@.tmp

$(B)/%.img.o: $(B)/%.bpf.o bpf/image.S
	$(Q)$(CC) -c -DIMAGE_FILE='"$<"' -DIMAGE_NAME='"$(notdir $*)"' -o $@ bpf/image.S

$(OUT)/sysroot-%/.ready: tools/sysroot tools/packages
	$(call say,FETCH $(@D))
	$(Q)tools/sysroot $* $(OUT)/sysroot-$*

# ---- documents and installation ----

docs: all
	@$(B)/tapio schema -o markdown >docs/EVENTS.md
	@$(B)/tapio schema -o config-markdown >docs/CONFIGURATION.md

# SYSCONFDIR's configuration is its owner's: neither replaced nor removed.
install: all
	install -D -m755 $(B)/tapio $(DESTDIR)$(PREFIX)/sbin/tapio
	install -D -m644 docs/tapio.8 $(DESTDIR)$(PREFIX)/share/man/man8/tapio.8
	install -D -m644 deploy/completion/tapio.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tapio
	install -d $(DESTDIR)$(UNITDIR)
	sed -e 's,/usr/local/sbin/,$(PREFIX)/sbin/,g' -e 's,/etc/tapio/,$(SYSCONFDIR)/tapio/,g' deploy/tapio.service \
		>$(DESTDIR)$(UNITDIR)/tapio.service
	chmod 644 $(DESTDIR)$(UNITDIR)/tapio.service
	test -e $(DESTDIR)$(SYSCONFDIR)/tapio/tapio.yaml || \
		install -D -m644 deploy/tapio.yaml $(DESTDIR)$(SYSCONFDIR)/tapio/tapio.yaml

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/tapio $(DESTDIR)$(PREFIX)/share/man/man8/tapio.8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tapio $(DESTDIR)$(UNITDIR)/tapio.service

install-headers:
	install -d $(DESTDIR)$(PREFIX)/include/tapio/event
	install -m644 bpf/include/*.h $(DESTDIR)$(PREFIX)/include/tapio/
	install -m644 event/event.h $(DESTDIR)$(PREFIX)/include/tapio/event/

clean:
	rm -rf $(OUT)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
