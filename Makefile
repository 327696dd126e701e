# Strife: a payment gateway of small Unix programs. This file is the map: each
# library and each program with its sources. `make help` lists the targets.
#
#   DEV=1  -Werror      SAN=1  ASan and UBSan      CC=clang  another compiler

SHELL = /bin/sh
.SUFFIXES:
.DEFAULT_GOAL = all

# ---- Libraries, from the ground up: each may include those before it ----
libraries = base wire journal ledger coord turn auth client
base = $(sort $(basename $(notdir $(wildcard lib/base/*.c))))
wire = $(sort $(basename $(notdir $(wildcard lib/wire/*.c))))
journal = $(sort $(basename $(notdir $(wildcard lib/journal/*.c))))
ledger = $(sort $(basename $(notdir $(wildcard lib/ledger/*.c))))
coord = $(sort $(basename $(notdir $(wildcard lib/coord/*.c))))
turn = $(sort $(basename $(notdir $(wildcard lib/turn/*.c))))
auth = $(sort $(basename $(notdir $(wildcard lib/auth/*.c))))
client = $(sort $(basename $(notdir $(wildcard lib/client/*.c))))

# ---- Programs: bin/NAME/*.c become bin/strife-NAME ----
programs = $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard bin/*/*.c)))))
scripts = $(sort $(basename $(notdir $(wildcard bin/ca/strife-*.sh))))
program_sources = $(sort $(wildcard bin/$(1)/*.c))

# ---- Unit tests: t/unit/NAME.c ----
units = $(sort $(basename $(notdir $(wildcard t/unit/*.c))))

# ---- Directories (GNU coding standards, 7.2.5) ----
PREFIX = /usr/local
prefix = $(PREFIX)
bindir = $(prefix)/bin
sbindir = $(prefix)/sbin
libexecdir = $(prefix)/libexec
mandir = $(prefix)/share/man
sysconfdir = $(prefix)/etc

# ---- Flags ----
CC = gcc
AR = ar
CSTD = -std=c11 -D_GNU_SOURCE
WARN = -Wall -Wextra -Wshadow -Wvla -Wconversion -Wstrict-prototypes \
       -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wformat=2 \
       -Wswitch-enum -fno-common
HARDEN = -fstack-protector-strong -fPIE
OPT = -O2 -g
FORTIFY = -D_FORTIFY_SOURCE=2
LINK = -pie -Wl,-z,relro,-z,now
LIBS = -lssl -lcrypto -lbsd -lyaml -lcrypt
variant = $(notdir $(CC))
out = bin
ifdef SAN
OPT = -O1 -g -fno-omit-frame-pointer
FORTIFY =
HARDEN += -fsanitize=address,undefined -fno-sanitize-recover=undefined
LINK += -fsanitize=address,undefined
variant := $(variant)-san
endif
ifdef DEV
WARN += -Werror
endif
ifneq ($(variant),gcc)
out = .build/$(variant)/bin
endif
build = .build/$(variant)
ALL_CFLAGS = $(CSTD) $(OPT) $(WARN) $(HARDEN) $(FORTIFY) -Ilib \
	-DLIBEXECDIR='"$(libexecdir)"' -DSYSCONFDIR='"$(sysconfdir)"' \
	-MMD -MP $(CFLAGS)

archives = $(libraries:%=$(build)/lib%.a)
binaries = $(programs:%=$(out)/strife-%)
tools = $(scripts:%=$(out)/%)

.PHONY: all
all: $(binaries) $(tools)

$(build)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

define library_rule
$(build)/lib$(1).a: $(patsubst %,$(build)/lib/$(1)/%.o,$($(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcs $$@ $$^
endef
$(foreach l,$(libraries),$(eval $(call library_rule,$(l))))

define program_rule
$(out)/strife-$(1): $(patsubst %.c,$(build)/%.o,$(call program_sources,$(1))) $(archives)
	@mkdir -p $$(@D)
	$(CC) $(HARDEN) $(LINK) $(LDFLAGS) -o $$@ $$(filter %.o,$$^) \
		-Wl,--start-group $(archives) -Wl,--end-group $(LIBS)
endef
$(foreach p,$(programs),$(eval $(call program_rule,$(p))))

$(tools): $(out)/%: bin/ca/%.sh
	@mkdir -p $(@D)
	install -m 755 $< $@

$(build)/unit/%.t: $(build)/t/unit/%.o $(archives)
	@mkdir -p $(@D)
	$(CC) $(HARDEN) $(LINK) $(LDFLAGS) -o $@ $< \
		-Wl,--start-group $(archives) -Wl,--end-group $(LIBS)

.PRECIOUS: $(build)/%.o

.PHONY: units
units: $(units:%=$(build)/unit/%.t)

# ---- Try it ----
# OPENING: each payer's balance at the start; ORDERS: only the first so many.
.PHONY: demo up down
demo: build-deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@STRIFE_BIN=$(abspath $(out)) OPENING=$(OPENING) ORDERS=$(ORDERS) \
		bin/demo/demo.sh
OPENING = 10000.00
ORDERS = 0

up: build-deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@STRIFE_BIN=$(abspath $(out)) bin/demo/up.sh

down:
	@bin/demo/down.sh

# ---- Debian packages ----
.PHONY: deps build-deps
build-deps:
	@.ci/deps build

deps:
	@.ci/deps build check

# ---- Tests ----
JOBS = 2
.PHONY: check
check: all units
	STRIFE_BIN=$(abspath $(out)) STRIFE_BUILD=$(abspath $(build)) \
		prove -j$(JOBS) --shuffle $(PROVE) \
		$(units:%=$(build)/unit/%.t) $(sort $(wildcard t/*.t))

.PHONY: format
format:
	clang-format -i $(sort $(wildcard lib/*/*.[ch] bin/*/*.[ch] t/*/*.[ch]))

# ---- Installation ----
scripts_installed = $(tools:$(out)/%=%)
user_programs = pay journal
admin_programs = ctl teller
daemons = gatewayd bankd
.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) \
		$(DESTDIR)$(libexecdir) $(DESTDIR)$(sysconfdir)/strife
	for p in $(user_programs); do \
		install -m 755 $(out)/strife-$$p $(DESTDIR)$(bindir)/; done
	for p in $(daemons) $(admin_programs); do \
		install -m 755 $(out)/strife-$$p $(DESTDIR)$(sbindir)/; done
	install -m 755 $(tools) $(DESTDIR)$(sbindir)/
	install -m 755 $(out)/strife-authd $(DESTDIR)$(libexecdir)/
	for f in etc/strife/*.yaml; do \
		install -m 640 $$f \
		$(DESTDIR)$(sysconfdir)/strife/$${f##*/}.sample; done
	for page in man/*.[1578]; do \
		install -d $(DESTDIR)$(mandir)/man$${page##*.}; \
		install -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/; done

uninstall:
	rm -f $(user_programs:%=$(DESTDIR)$(bindir)/strife-%) \
		$(daemons:%=$(DESTDIR)$(sbindir)/strife-%) \
		$(admin_programs:%=$(DESTDIR)$(sbindir)/strife-%) \
		$(scripts_installed:%=$(DESTDIR)$(sbindir)/%) \
		$(DESTDIR)$(libexecdir)/strife-authd
	for page in man/*.[1578]; do \
		rm -f $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; done
	for f in etc/strife/*.yaml; do \
		rm -f $(DESTDIR)$(sysconfdir)/strife/$${f##*/}.sample; done

.PHONY: clean
clean:
	rm -rf .build bin/strife-*

.PHONY: help
help:
	@echo 'make            build everything into bin/'
	@echo 'make demo       pay 6,471 real orders between 15 processes'
	@echo 'make up, down   a small deployment to try by hand'
	@echo 'make check      the whole test suite'
	@echo 'make deps       install the Debian packages that are missing'
	@echo 'make install    DESTDIR= PREFIX= and the GNU directory variables'
	@echo 'make clean'

-include $(shell [ -d $(build) ] && find $(build) -name '*.d')
