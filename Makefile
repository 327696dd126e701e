# Strife: a payment gateway of small Unix programs. This file is the map: each
# library and each program with its sources. `make help` lists the targets.
#
#   DEV=1  -Werror      SAN=1  ASan and UBSan      CC=clang  another compiler

SHELL = /bin/sh
.SUFFIXES:
.DEFAULT_GOAL = all

# ---- Libraries, from the ground up: each may include those before it ----
libraries = base wire journal ledger coord turn auth client
lib_base = address buffer check clock conn conn_dial conn_io conn_step \
       daemon digest file hash hex histogram listen log log_queue loop \
       nearest mapping notify privileges stream table tls tls_identity \
       tls_load utf8 yaml yaml_fail yaml_rows
lib_wire = account id id_index id_make jti line money msg number octet \
       outbox reader tag time value verbs
lib_journal = beside index journal open reader resume segment snapshot taker \
       witness
lib_ledger = accounts apply branches decide dump emit gateways ledger lookup \
       notes query snapshot teller
lib_coord = attempts coord dump explain heuristics links lists notes payments \
       pool records replies requests resolve revocations snapshot
lib_turn = acceptor certificates heartbeat holders listener operators \
       request_log server settings snapshots supervisor talk turn
lib_auth = base64url checker checker_child keyring lockout password rights \
       token token_claims users
lib_client = answer client config configure console console_daemon control \
       date ids login naming options order output pipeline progress session \
       slots spool spool_entry spool_files token_file tsv

# ---- Programs: bin/NAME/*.c become bin/strife-NAME ----
programs = gatewayd bankd authd pay queue teller ctl journal bench
scripts = strife-ca
bin_gatewayd = accounts asks banks config control gatewayd login outcomes \
       sessions start tokens
bin_bankd = bankd config control link link_talk links load logins
bin_authd = authd
bin_pay = accounts batch editor editor_keys help history login menu menu_ask \
       menu_pay menu_show pay payment pending pending_now queued rows sender \
       status wait
bin_queue = add choice drop entries flush flush_run help list queue watch
bin_teller = entries rows teller
bin_ctl = ctl
bin_bench = bench dialler lanes load pairs tally
bin_journal = audit audit_bank audit_books audit_cross audit_end \
       audit_gateway audit_mirrors audit_pool audit_report audit_rows explain \
       explain_records explain_summary journal show verify words

# ---- The simulator, and unit tests: t/unit/NAME.c each ----
sim = answers faults host main model net people replay world
units = $(sort $(basename $(notdir $(wildcard t/unit/*.c))))

# ---- Fuzz targets: t/fuzz/NAME.c, and what of a program each tries ----
fuzz = amounts base64url config_accounts config_bankd config_gatewayd \
       config_pay config_users coord coord_replay identity journal ledger \
       ledger_replay line names recovery rows_pay rows_teller snapshots \
       spool token verbs yaml
fuzz_config_accounts = bankd/load
fuzz_config_bankd = bankd/config
fuzz_config_gatewayd = gatewayd/config
fuzz_rows_pay = pay/rows
fuzz_rows_teller = teller/rows
# What of the libraries a target brings itself: t/fuzz says why.
fuzz_in_memory = config_accounts config_bankd config_gatewayd config_pay \
       config_users yaml
$(foreach f,$(fuzz_in_memory),$(eval fuzz_wrap_$(f) = file_read))
fuzz_wrap_rows_teller = read
fuzz_reused = coord coord_replay journal ledger ledger_replay recovery \
	rows_pay rows_teller snapshots
$(foreach f,$(fuzz_reused),$(eval fuzz_wrap_$(f) += malloc calloc realloc \
	reallocarray free mapping_new mapping_free))

# ---- Directories (GNU coding standards, 7.2.5) ----
PREFIX = /usr/local
prefix = $(PREFIX)
bindir = $(prefix)/bin
sbindir = $(prefix)/sbin
libexecdir = $(prefix)/libexec
datadir = $(prefix)/share
mandir = $(datadir)/man
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
sysconfdir = $(prefix)/etc
unitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

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
# FUZZ=1 is for `make fuzz`: libFuzzer comes with clang.
ifdef FUZZ
override CC = clang
OPT = -O2 -g -fno-omit-frame-pointer
FORTIFY =
HARDEN = -fPIE -fno-sanitize-recover=undefined \
	-fsanitize=fuzzer-no-link,address,undefined
LINK = -pie -fsanitize=fuzzer,address,undefined
variant = clang-fuzz
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

$(build)/crowd: $(build)/t/hostile/crowd.o $(archives)
	@mkdir -p $(@D)
	$(CC) $(HARDEN) $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(archives) -Wl,--end-group $(LIBS)

define fuzz_rule
$(build)/fuzz/$(1): $(build)/t/fuzz/$(1).o $(fuzz_$(1):%=$(build)/bin/%.o) \
		$(archives)
	@mkdir -p $$(@D)
	$(CC) $(HARDEN) $(LINK) $(LDFLAGS) $(fuzz_wrap_$(1):%=-Wl,--wrap=%) \
		-o $$@ $$(filter %.o,$$^) \
		-Wl,--start-group $(archives) -Wl,--end-group $(LIBS)
endef
$(foreach f,$(fuzz),$(eval $(call fuzz_rule,$(f))))

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

# SECONDS_EACH: how long each of its settings is measured.
.PHONY: bench
bench: build-deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@STRIFE_BIN="$(CURDIR)/$(out)" SECONDS_EACH=$(SECONDS_EACH) \
		bin/demo/bench.sh
SECONDS_EACH = 5

# ---- Debian packages ----
.PHONY: deps build-deps
build-deps:
	@.ci/deps build

deps:
	@.ci/deps build check

# ---- Tests ----
JOBS = 2
.PHONY: check
check: all units $(build)/sim $(build)/crowd
	STRIFE_BIN="$(CURDIR)/$(out)" STRIFE_BUILD="$(CURDIR)/$(build)" \
		prove -j$(JOBS) --shuffle $(PROVE) \
		$(units:%=$(build)/unit/%.t) $(sort $(wildcard t/*.t))

# Schedules SEED, SEED+1, ... through the simulator; MUTANTS: only these.
SEEDS = 20000
SEED = 1
MUTANTS =
.PHONY: sim mutants model sweep hostile
sim: $(build)/sim
	$(build)/sim -n $(SEEDS) -s $(SEED) -j $(JOBS)

mutants:
	t/mutants/run $(MUTANTS)

# Every configuration of the protocol's model, by spin.
model:
	t/model/run

# Hostile octets for every parser and both cores, by libFuzzer: FUZZ_RUNS of
# each of FUZZ_TARGETS. What is learnt stays in .build/clang-fuzz/corpus.
FUZZ_RUNS = 1000000
FUZZ_TARGETS = $(fuzz)
.PHONY: fuzz fuzzers fuzz-list
fuzz:
	@$(MAKE) --no-print-directory FUZZ=1 -j$(JOBS) fuzzers
	t/fuzz/run -r $(FUZZ_RUNS) $(FUZZ_TARGETS)

fuzzers: $(FUZZ_TARGETS:%=$(build)/fuzz/%)

fuzz-list:
	@echo $(fuzz)

# The queue against real daemons, in the sizes a release has to see: minutes.
.PHONY: queue-campaign
queue-campaign: all
	STRIFE_BIN="$(CURDIR)/$(out)" t/queue/campaign.py --seed $(SEED)

# The real daemons under kills, errors, power cuts, partitions: hours.
sweep: all
	for how in "sweep.py --jobs $(JOBS)" \
		"sweep.py --jobs $(JOBS) --kind errno" \
		"sweep.py --jobs $(JOBS) --recovery --do kill-before" \
		"startup.py" "powercut.py --fs ext4 --cuts 1000" \
		"powercut.py --fs xfs --cuts 1000" "partition.py --rounds 10" \
		"diskfull.py --rounds 6" "soak.py --minutes 10"; do \
		STRIFE_BIN="$(CURDIR)/$(out)" t/sweep/$$how || exit 1; done

# Thousands of hostile peers beside payments; new certificates under load.
hostile: all $(build)/crowd
	STRIFE_BIN="$(CURDIR)/$(out)" STRIFE_BUILD="$(CURDIR)/$(build)" \
		t/hostile/crowd.py
	STRIFE_BIN="$(CURDIR)/$(out)" t/t7400-reload.t 100

.PHONY: format
format:
	clang-format -i $(sort $(wildcard lib/*/*.[ch] bin/*/*.[ch] t/*/*.[ch]))

# ---- Installation ----
scripts_installed = $(tools:$(out)/%=%)
user_programs = pay queue journal bench
admin_programs = ctl teller
daemons = gatewayd bankd
unit_sources = $(sort $(wildcard systemd/*.service.in systemd/*.timer \
	systemd/*.target))
units_installed = $(notdir $(unit_sources:.in=))
# Where things are, into units; the sandbox stands in one file.
fill_in = sed -e 's,@bindir@,$(bindir),g' -e 's,@sbindir@,$(sbindir),g' \
	-e 's,@sysconfdir@,$(sysconfdir),g' \
	-e '/^@sandbox@$$/{' -e 'r systemd/sandbox.conf' -e 'd' -e '}'
# A sample in a checkout names the checkout's folders; installed, the units'.
fill_sample = sed -e 's,\.\./\.\./certs/,$(sysconfdir)/strife/tls/,g' \
	-e 's,\.\./\.\./var/,/var/lib/strife/,g'
# What the shells complete, made from what the programs say to -h.
completed = $(user_programs:%=strife-%) $(admin_programs:%=strife-%)
.PHONY: completions
completions: all
	.ci/completions "$(abspath $(out))" $(build)/completions $(completed)

.PHONY: install uninstall
install: all completions
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) \
		$(DESTDIR)$(libexecdir) $(DESTDIR)$(sysconfdir)/strife \
		$(DESTDIR)$(unitdir) $(DESTDIR)$(sysusersdir) \
		$(DESTDIR)$(tmpfilesdir)
	for p in $(user_programs); do \
		install -m 755 $(out)/strife-$$p $(DESTDIR)$(bindir)/ || exit 1; done
	for p in $(daemons) $(admin_programs); do \
		install -m 755 $(out)/strife-$$p $(DESTDIR)$(sbindir)/ || exit 1; done
	install -m 755 $(tools) $(DESTDIR)$(sbindir)/
	install -m 755 $(out)/strife-authd $(DESTDIR)$(libexecdir)/
	for f in etc/strife/*.yaml; do \
		$(fill_sample) $$f | install -m 644 /dev/stdin \
		$(DESTDIR)$(sysconfdir)/strife/$${f##*/}.sample || exit 1; done
	for f in $(unit_sources); do \
		to=$${f##*/}; \
		$(fill_in) $$f | install -m 644 /dev/stdin \
		$(DESTDIR)$(unitdir)/$${to%.in} || exit 1; done
	install -m 644 systemd/strife-sysusers.conf \
		$(DESTDIR)$(sysusersdir)/strife.conf
	$(fill_in) systemd/strife-tmpfiles.conf.in | install -m 644 \
		/dev/stdin $(DESTDIR)$(tmpfilesdir)/strife.conf
	install -d $(DESTDIR)$(bashcompletiondir) \
		$(DESTDIR)$(zshcompletiondir)
	install -m 644 $(completed:%=$(build)/completions/bash/%) \
		$(DESTDIR)$(bashcompletiondir)/
	install -m 644 $(completed:%=$(build)/completions/zsh/_%) \
		$(DESTDIR)$(zshcompletiondir)/
	for page in man/*.[1578]; do \
		install -d $(DESTDIR)$(mandir)/man$${page##*.}; \
		install -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/ || exit 1; done

uninstall:
	rm -f $(user_programs:%=$(DESTDIR)$(bindir)/strife-%) \
		$(daemons:%=$(DESTDIR)$(sbindir)/strife-%) \
		$(admin_programs:%=$(DESTDIR)$(sbindir)/strife-%) \
		$(scripts_installed:%=$(DESTDIR)$(sbindir)/%) \
		$(units_installed:%=$(DESTDIR)$(unitdir)/%) \
		$(DESTDIR)$(sysusersdir)/strife.conf \
		$(DESTDIR)$(tmpfilesdir)/strife.conf \
		$(completed:%=$(DESTDIR)$(bashcompletiondir)/%) \
		$(completed:%=$(DESTDIR)$(zshcompletiondir)/_%) \
		$(DESTDIR)$(libexecdir)/strife-authd
	for page in man/*.[1578]; do \
		rm -f $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; done
	for f in etc/strife/*.yaml; do \
		rm -f $(DESTDIR)$(sysconfdir)/strife/$${f##*/}.sample; done
	[ ! -d $(DESTDIR)$(sysconfdir)/strife ] || \
		rmdir --ignore-fail-on-non-empty $(DESTDIR)$(sysconfdir)/strife

.PHONY: clean
clean:
	rm -rf .build bin/strife-*

.PHONY: help
help:
	@echo 'make            build everything into bin/'
	@echo 'make demo       pay 6,471 real orders between 15 processes'
	@echo 'make up, down   a small deployment to try by hand'
	@echo 'make bench      how many payments a second, and how long they take'
	@echo 'make check      the whole test suite'
	@echo 'make sim        SEEDS= SEED= failure histories of the real cores'
	@echo 'make mutants    does the simulator find seeded mistakes?'
	@echo 'make model      the protocol checked by spin'
	@echo 'make sweep      kills, errors and power cuts on real daemons: hours'
	@echo 'make hostile    thousands of hostile peers beside payments'
	@echo 'make fuzz       FUZZ_RUNS= FUZZ_TARGETS= hostile octets, by libFuzzer'
	@echo 'make queue-campaign  the queue under kills, expiry and drops: minutes'
	@echo 'make deps       install the Debian packages that are missing'
	@echo 'make install    DESTDIR= PREFIX= and the GNU directory variables'
	@echo 'make uninstall  undoes it'
	@echo 'make completions  for bash and zsh, into .build; installed too'
	@echo 'make clean'

-include $(shell [ -d $(build) ] && find $(build) -name '*.d')
