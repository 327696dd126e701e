# Strife: a payment gateway of small Unix programs. This file is the map: each
# library and each program with its sources. `make help` lists the targets.
#
#   DEV=1  -Werror      SAN=1  ASan and UBSan      CC=clang  another compiler

SHELL = /bin/sh
.SUFFIXES:
.DEFAULT_GOAL = all

# ---- Libraries, from the ground up: each may include those before it ----
libraries = base wire journal ledger coord turn auth client
lib_base = address buffer check clock conn daemon digest file hash hex listen \
       log loop notify stream table tls yaml yaml_nearest yaml_rows
lib_wire = account id id_index id_make line money msg number octet outbox \
       reader tag time value verbs
lib_journal = journal reader segment
lib_ledger = accounts apply branches decide dump emit gateways ledger lookup \
       query teller
lib_coord = attempts coord dump links lists payments records
lib_turn = heartbeat listener operators server settings talk turn
lib_auth = checker lockout password rights users
lib_client = client config console console_daemon control date ids output \
       session slots tsv

# ---- Programs: bin/NAME/*.c become bin/strife-NAME ----
programs = gatewayd bankd authd pay teller ctl journal
scripts = strife-ca
bin_gatewayd = accounts asks banks config control gatewayd login sessions \
       start
bin_bankd = bankd config control links load
bin_authd = authd
bin_pay = accounts answer batch help history pay payid payment progress rows \
       sender status
bin_teller = entries rows teller
bin_ctl = ctl
bin_journal = audit audit_bank audit_cross audit_gateway audit_pool \
       audit_report explain journal show verify words

# ---- The simulator, and unit tests: t/unit/NAME.c each ----
sim = answers faults host main model net people world
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
$(build)/lib$(1).a: $(lib_$(1):%=$(build)/lib/$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcs $$@ $$^
endef
$(foreach l,$(libraries),$(eval $(call library_rule,$(l))))

define program_rule
$(out)/strife-$(1): $(bin_$(1):%=$(build)/bin/$(1)/%.o) $(archives)
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

$(build)/sim: $(sim:%=$(build)/t/sim/%.o) $(archives)
	@mkdir -p $(@D)
	$(CC) $(HARDEN) $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(archives) -Wl,--end-group $(LIBS)

.PRECIOUS: $(build)/%.o

.PHONY: units
units: $(units:%=$(build)/unit/%.t)

# ---- Try it ----
# OPENING: each payer's balance at the start; ORDERS: only the first so many.
.PHONY: demo up down
demo: build-deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@STRIFE_BIN="$(CURDIR)/$(out)" OPENING=$(OPENING) ORDERS=$(ORDERS) \
		bin/demo/demo.sh
OPENING = 10000.00
ORDERS = 0

up: build-deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@STRIFE_BIN="$(CURDIR)/$(out)" bin/demo/up.sh

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
check: all units $(build)/sim
	STRIFE_BIN="$(CURDIR)/$(out)" STRIFE_BUILD="$(CURDIR)/$(build)" \
		prove -j$(JOBS) --shuffle $(PROVE) \
		$(units:%=$(build)/unit/%.t) $(sort $(wildcard t/*.t))

# Schedules SEED, SEED+1, ... through the simulator; MUTANTS: only these.
SEEDS = 20000
SEED = 1
MUTANTS =
.PHONY: sim mutants model sweep
sim: $(build)/sim
	$(build)/sim -n $(SEEDS) -s $(SEED) -j $(JOBS)

mutants:
	t/mutants/run $(MUTANTS)

# Every configuration of the protocol's model, by spin.
model:
	t/model/run

# The real daemons under kills, errors, power cuts, partitions: hours.
sweep: all
	for how in "sweep.py --jobs $(JOBS)" \
		"sweep.py --jobs $(JOBS) --kind errno" \
		"sweep.py --jobs $(JOBS) --recovery --do kill-before" \
		"startup.py" "powercut.py --fs ext4 --cuts 1000" \
		"powercut.py --fs xfs --cuts 1000" "partition.py --rounds 10" \
		"diskfull.py --rounds 6" "soak.py --minutes 10"; do \
		STRIFE_BIN="$(CURDIR)/$(out)" t/sweep/$$how || exit 1; done

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
		install -m 644 $$f \
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
	@echo 'make sim        SEEDS= SEED= failure histories of the real cores'
	@echo 'make mutants    does the simulator find seeded mistakes?'
	@echo 'make model      the protocol checked by spin'
	@echo 'make sweep      kills, errors and power cuts on real daemons: hours'
	@echo 'make deps       install the Debian packages that are missing'
	@echo 'make install    DESTDIR= PREFIX= and the GNU directory variables'
	@echo 'make uninstall  undoes it'
	@echo 'make clean'

-include $(shell [ -d $(build) ] && find $(build) -name '*.d')
