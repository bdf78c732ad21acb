# SPDX-License-Identifier: MIT
#
# How daxsim is built. There are no lists of files here: a source is built because it lies where it
# lies. "make help" prints the lines marked with ##.
#
# Every object depends on $(BUILD)/flags, and that on the packages being there. So pkg-config must
# only be asked inside recipes: on a new machine it is not installed when this file is read.

##V PREFIX        where "make install" puts things (/usr/local); DESTDIR goes in front of it
##V CC            the compiler; CFLAGS (-O2 -g), CPPFLAGS and LDFLAGS are added to daxsim's own
##V SAN           sanitizers, in a build directory of their own: address,undefined or thread
##V V             1 shows the commands
##V WERROR        1 makes warnings errors (the default where CI=true)
##V TEST_FLAGS    options for every test program (--jobs 2 --timeout 120)
##V BENCH_FLAGS   options for every benchmark

PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
WERROR ?= $(if $(filter true,$(CI)),1)
# Tests of real page tables pin their threads: more at a time than two only wait for each other.
TEST_FLAGS ?= --jobs 2 --timeout 120

comma := ,
BUILD := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
OBJ := $(BUILD)/obj

# The make at the top hands out the jobs, as many as there are CPUs, unless told otherwise by -j,
# which has the last word, or by $MAKEFLAGS.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += $(shell case " $$MAKEFLAGS" in (*" -j"*) ;; (*) echo "-j$$(nproc || echo 2)" ;; esac)
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all run check tests deps bench bench-full install uninstall fmt help clean packages FORCE

ifneq ($(word 2,$(MAKECMDGOALS)),)

# "make clean check": one goal after the other, whatever -j says.
.PHONY: one-by-one $(MAKECMDGOALS)
$(MAKECMDGOALS): one-by-one
	@:
one-by-one:
	@for goal in $(MAKECMDGOALS); do $(MAKE) --no-print-directory $$goal || exit; done

else

##
## Sources
##

objs = $(patsubst %.S,$(OBJ)/%.S.o,$(patsubst %.c,$(OBJ)/%.o,$(sort $(1))))

CLI_SRCS := $(wildcard daxsim/cli/*.c)
LIB_SRCS := $(filter-out $(CLI_SRCS),$(wildcard $(addsuffix /*.[cS],daxsim daxsim/* backends/*)))
TEST_SRCS := $(wildcard tests/test_*.c)
HELPER_SRCS := $(filter-out $(TEST_SRCS),$(wildcard tests/*.c))
BENCH_SRCS := $(wildcard bench/*.c)
BENCH_HELPER_SRCS := $(wildcard bench/lib/*.c)
FS_NAMES := $(patsubst backends/fs/%.c,%,$(sort $(wildcard backends/fs/*.c)))

GEN_OBJS := $(OBJ)/version.o $(OBJ)/fs_table.o
SRC_OBJS := $(call objs,$(LIB_SRCS) $(CLI_SRCS) $(TEST_SRCS) $(HELPER_SRCS) $(BENCH_SRCS) \
	    $(BENCH_HELPER_SRCS))

PROG := $(BUILD)/daxsim
LIB := $(BUILD)/libdaxsim.a
SOVERSION := 0
SHLIB := $(BUILD)/libdaxsim.so.$(SOVERSION)
TESTS := $(patsubst %.c,$(BUILD)/%,$(sort $(TEST_SRCS)))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(sort $(BENCH_SRCS)))

##
## Flags
##

PKGS := liburing uuid libbsd jansson libxxhash
TEST_PKGS := criterion
BENCH_TOOLS := gnuplot

# Asked when the first recipe needs it, and then remembered.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell $(PKG_CONFIG) --libs $(PKGS)))$(PKG_LIBS)
TEST_CFLAGS = $(eval TEST_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(TEST_PKGS)))$(TEST_CFLAGS)
TEST_LIBS = $(eval TEST_LIBS := $$(shell $(PKG_CONFIG) --libs $(TEST_PKGS)))$(TEST_LIBS)

WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	    $(if $(filter 1,$(WERROR)),-Werror)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)

cpp_flags = -D_GNU_SOURCE -I. $(PKG_CFLAGS) $(CPPFLAGS) -MMD -MP
# One set of objects for both libraries. A thread-local variable must be there for a signal handler,
# which may not have memory allocated for it; so it lies where the program's own do.
c_flags = -std=gnu11 -pthread -fPIC -fvisibility=hidden -ftls-model=initial-exec $(WARNINGS) \
	  $(cpp_flags) $(SANITIZE) $(CFLAGS)
ld_flags = -pthread $(SANITIZE) $(CFLAGS) -Wl,--as-needed $(LDFLAGS)
libs = $(PKG_LIBS) -lm $(LDLIBS)

# $(call sanitized,OPTIONS): what the programs run under. Leaks count. The address space is not
# randomised for the thread sanitizer, whose shadow memory wants fixed places.
sanitized = $(if $(SAN),ASAN_OPTIONS="$(1)detect_leaks=1:$$ASAN_OPTIONS" \
	UBSAN_OPTIONS="$(1)print_stacktrace=1:$$UBSAN_OPTIONS" \
	TSAN_OPTIONS="$(1)halt_on_error=1:$$TSAN_OPTIONS" \
	$(if $(filter thread,$(SAN)),$(shell setarch -R true 2>/dev/null && echo setarch -R)))

# The recipe's output goes through these: one short line, or with V=1 the command itself.
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) '$(2)')

# Replaces $@ by what comes in, only if that is different; what depends on it stays as it is else.
update = { mkdir -p $(@D) && cat >$@.new && \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi; }
quote = '$(subst ','\'',$(1))'

##
## Targets
##

all: $(PROG) $(LIB) $(SHLIB)				## build build/daxsim and the libraries (the default)

run: all						## install what is missing, build, run all scenarios
	@$(sanitized) $(PROG) run scenarios

# $(call step,NAME,COMMAND): one part of the check; a failure is noted and the next part follows.
# Criterion does not look at what becomes of a test's process once the test itself is over, which
# is when leaks are found, so the sanitizers report to files.
report := $(BUILD)/report
step = printf '  %-7s %s\n' TEST $(1); $(if $(SAN),$(reported),$(2)) && \
	ok=$$((ok + 1)) || failed="$$failed $(1)";
reported = { rm -f $(report).*; $(call sanitized,log_path='$(CURDIR)/$(report)':) $(2); \
	status=$$?; cat $(report).* 1>&2 2>/dev/null; \
	! grep -Eqs 'LeakSanitizer: detected|WARNING: ThreadSanitizer' $(report).* && [ $$status = 0 ]; }

check: all tests					## install what is missing, build, run all tests and scenarios
	@ok=0; failed=; \
	$(foreach t,$(TESTS),$(call step,$(t:$(BUILD)/%=%),$(t) $(TEST_FLAGS))) \
	$(if $(wildcard tests/golden/run),$(call step,tests/golden,tests/golden/run $(PROG))) \
	$(call step,tests/jobs,tests/jobs/run $(PROG)) \
	$(call step,tests/library,tests/library/run $(BUILD) $(CC) $(SANITIZE)) \
	$(call step,scenarios,$(PROG) run scenarios) \
	echo; \
	if [ -n "$$failed" ]; then \
		echo "make check FAILED in:$$failed ($$ok other parts are fine)"; exit 1; \
	fi; \
	echo "make check: all $$ok parts are fine$(if $(SAN), under $(SAN))"

tests: $(TESTS)						## build the test programs, build/tests/test_*

deps: packages						## install the packages that are missing

bench: $(BENCHES)					## install what is missing, build the benchmarks and run them: 3 minutes
	$(call run_benches,)

bench-full: $(BENCHES)					## the same with longer runs and large devices: ten minutes, 3 GiB of memory
	$(call run_benches,FULL_)

# What a benchmark is told to do when there is time.
FULL_fault_latency := --full
FULL_throughput := --full
FULL_explore := --seconds 10

define run_benches
	@failed=; \
	$(foreach b,$(BENCHES),printf '  %-7s %s\n' BENCH $b; $(sanitized) $b \
		$(if $(1),$($(1)$(notdir $b))) $(BENCH_FLAGS) || failed="$$failed $b";) \
	if [ -n "$$failed" ]; then echo "make bench FAILED in:$$failed"; exit 1; fi
endef

dest = $(DESTDIR)$(PREFIX)

install: all						## install program, libraries, header and scenarios
	$(call say,INSTALL,$(dest))
	$(Q)install -d "$(dest)/lib/pkgconfig"
	$(Q)install -Dm755 $(PROG) "$(dest)/bin/daxsim"
	$(Q)install -Dm644 $(LIB) "$(dest)/lib/libdaxsim.a"
	$(Q)install -Dm755 $(SHLIB) "$(dest)/lib/libdaxsim.so.$(SOVERSION)"
	$(Q)ln -sf libdaxsim.so.$(SOVERSION) "$(dest)/lib/libdaxsim.so"
	$(Q)install -Dm644 daxsim/daxsim.h "$(dest)/include/daxsim.h"
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@PKGS@|$(PKGS)|' \
		-e "s|@VERSION@|$$(sed -n 's/.*"\(.*\)".*/\1/p' $(BUILD)/version.c)|" \
		daxsim.pc.in >"$(dest)/lib/pkgconfig/daxsim.pc"
	$(Q)find scenarios -name '*.scn' -exec install -Dm644 {} "$(dest)/share/daxsim/{}" \;

uninstall:						## remove what "make install" put there
	$(call say,RM,$(dest))
	$(Q)rm -f "$(dest)/bin/daxsim" "$(dest)/lib/libdaxsim.a" "$(dest)/include/daxsim.h" \
		"$(dest)/lib/libdaxsim.so" "$(dest)/lib/libdaxsim.so.$(SOVERSION)" \
		"$(dest)/lib/pkgconfig/daxsim.pc"
	$(Q)rm -rf "$(dest)/share/daxsim"

fmt:							## format the sources with clang-format
	@command -v clang-format >/dev/null || { echo "fmt: clang-format is not installed"; exit 1; }
	$(call say,FMT,daxsim backends tests bench)
	$(Q)find daxsim backends tests bench -name '*.[ch]' -exec clang-format -i {} +

help:							## print this
	@echo "Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' Makefile | \
		while read -r name text; do printf '  %-13s %s\n' "$$name" "$$text"; done
	@echo "Variables:"
	@sed -n 's/^##V /  /p' Makefile

clean:							## remove everything that was built
	$(call say,RM,build)
	$(Q)rm -rf build

##
## Rules
##

# Only the goals that say so install anything; all others name what is missing and stop.
packages:
	@CC=$(call quote,$(CC)) PKG_CONFIG='$(PKG_CONFIG)' SAN='$(SAN)' \
	OPTIONAL='$(if $(filter bench bench-full,$(MAKECMDGOALS)),$(BENCH_TOOLS))' sh .ci/deps \
		$(if $(filter run check deps bench bench-full,$(MAKECMDGOALS)),,--check) $(PKGS) \
		$(if $(filter check tests deps $(TESTS),$(MAKECMDGOALS)),$(TEST_PKGS))

$(BUILD)/flags: FORCE | packages
	@echo $(call quote,$(CC) $(c_flags) | $(ld_flags) | $(libs)) | $(update)

# Programs are linked again when a source has come or gone.
$(BUILD)/members: FORCE
	@echo $(SRC_OBJS) | $(update)

$(BUILD)/version.c: FORCE
	@version=$$([ -e .git ] && git --no-optional-locks describe --always --dirty --tags 2>/dev/null); \
	printf '#include "daxsim/daxsim.h"\n\nconst char daxsim_version[] = "%s";\n' \
		"$${version:-unknown}" | $(update)

$(BUILD)/fs_table.c: FORCE
	@{ printf '#include "backends/fs/fs.h"\n\n'; \
	for fs in $(FS_NAMES); do echo "extern const struct fs_ops $${fs}_fs_ops;"; done; \
	printf '\nconst struct fs_ops *const fs_table[] = {\n'; \
	for fs in $(FS_NAMES); do printf '\t&%s_fs_ops,\n' $$fs; done; \
	printf '\tNULL,\n};\n'; } | $(update)

$(OBJ)/tests/%.o: private c_flags += $(TEST_CFLAGS)

$(OBJ)/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(c_flags) -c -o $@ $<

$(OBJ)/%.S.o: %.S $(BUILD)/flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(cpp_flags) -c -o $@ $<

$(GEN_OBJS): $(OBJ)/%.o: $(BUILD)/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(c_flags) -c -o $@ $<

# "q", for "r" would keep only one of two members that share a file name.
$(LIB): $(call objs,$(LIB_SRCS)) $(GEN_OBJS) $(BUILD)/members
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $(filter %.o,$^)

$(SHLIB): $(call objs,$(LIB_SRCS)) $(GEN_OBJS) $(BUILD)/members
	$(call say,LD,$@)
	$(Q)$(CC) $(ld_flags) -shared -Wl,-soname,$(@F) -o $@ $(filter %.o,$^) $(libs)

link = $(CC) $(ld_flags) -o $@ $(filter %.o %.a,$^)

$(PROG): $(call objs,$(CLI_SRCS)) $(LIB) $(BUILD)/members
	$(call say,LD,$@)
	$(Q)$(link) $(libs)

$(TESTS): $(BUILD)/tests/%: $(OBJ)/tests/%.o $(call objs,$(HELPER_SRCS)) $(LIB) $(BUILD)/members
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(link) $(TEST_LIBS) $(libs)

$(BENCHES): $(BUILD)/bench/%: $(OBJ)/bench/%.o $(call objs,$(BENCH_HELPER_SRCS)) $(LIB) \
	    $(BUILD)/members
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(link) $(libs)

-include $(SRC_OBJS:.o=.d) $(GEN_OBJS:.o=.d)

endif
