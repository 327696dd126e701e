/* lib/ledger for core.h: a small bank, BankA. */
#ifndef STRIFE_T_FUZZ_BANK_H
#define STRIFE_T_FUZZ_BANK_H

#include "core.h"
#include "ledger/ledger.h"
#include "wire/money.h"

static inline void
bank_step(void *core, const struct event *ev, struct actions *actions)
{
	ledger_step(core, ev, actions);
}

static inline void
bank_check(const void *core)
{
	ledger_check(core);
	CHECK(ledger_sum(core, CURRENCY('C', 'Z', 'K')) == 0);
	CHECK(ledger_sum(core, CURRENCY('E', 'U', 'R')) == 0);
}

static inline void
bank_dump(const void *core, void (*row)(void *ctx, const char *), void *ctx)
{
	ledger_dump(core, row, ctx);
}

static inline void *
bank_make(void)
{
	const struct ledger_conf conf = {
	    .bank = "BankA",
	    .accounts_max = 16,
	    .in_flight_max = 8,
	    .gateways_max = 2,
	    .queries_max = 2,
	    .remembered_max = 32,
	    .resolve_ns = 2 * CORE_SECOND,
	    .key = {{1, 2}},
	    .jitter_seed = 7,
	};

	return ledger_new(&conf);
}

static inline void
bank_drop(void *core)
{
	ledger_free(core);
}

static const struct core_kind bank_kind = {SIDE_BANK_JOURNAL, bank_step,
    bank_check, bank_dump, ledger_note, bank_make, bank_drop};

#endif
