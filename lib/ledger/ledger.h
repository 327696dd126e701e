/*
 * A bank as a pure state machine: double-entry accounts, holds, branches
 * (PROTOCOL.md section 4, JOURNAL.md). Events in, actions out (wire/event.h);
 * no system call, clock, randomness or descriptor. All memory is taken in
 * ledger_new.
 *
 * Every change of state is made by a record and only when the record comes back
 * as EV_RECORD, so replaying a journal and running are the same code. What a
 * request still wants (vote, acknowledgement, answer) is remembered within the
 * step that appended, and is sent with after_seq of the record.
 *
 * Books: a transfer moves `amount` from one account to another of this bank, so
 * the balances of each currency always sum to zero. A hold on the payer's side
 * counts against what is available from PREPARED until COMMITTED or ABORTED;
 * incoming holds count against the payee's upper bound (MONEY_BALANCE_MAX).
 */
#ifndef STRIFE_LEDGER_LEDGER_H
#define STRIFE_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "wire/event.h"

struct ledger;

struct ledger_conf {
	char bank[BANK_MAX_LEN + 1];
	uint32_t accounts_max;   /* customers' and system accounts together */
	uint32_t in_flight_max;  /* branches prepared and not yet ended */
	uint32_t gateways_max;   /* gateway nodes ever heard of */
	uint32_t queries_max;    /* HISTORY and lists under way */
	uint64_t remembered_max; /* payment ids */
	int64_t resolve_ns; /* how often an undecided branch is asked for */
	struct hash_key key;
	uint64_t jitter_seed; /* spreads RESOLVEs of many banks */
};

struct ledger *ledger_new(const struct ledger_conf *); /* NULL: ENOMEM */
void ledger_free(struct ledger *);

/*
 * Events it takes:
 *   EV_RECORD  EV_READ  EV_REPLAYED (appends BOOT with the next boot number)
 *   EV_REMEMBER and EV_RESTORE, before any EV_RECORD; AC_FAIL where they do not
 *     fit: then another start is made, from all records
 *   EV_MSG from a gateway: the OK of our HELLO, sent by the shell as the first
 *     line of a connection, is the first; the core answers with REGISTER, then
 *     with RESOLVE for each prepared branch of that node, paced by the window
 * in the HELLO answer. event.proof: of proven_seq/check in REGISTER's OK.
 *   EV_MSG of SIDE_DOWN (but PING and AUTHENTICATE, which the shell answers)
 *   EV_MSG of SIDE_TELLER (but STATS' process rows and SNAPSHOT); event.who
 * says for whom, e.g. "uid=1000" EV_PEER_DOWN  EV_DURABLE  EV_TICK  EV_ROOM
 */
void ledger_step(struct ledger *, const struct event *, struct actions *);
int64_t ledger_next_ns(const struct ledger *);
bool ledger_more(const struct ledger *);

/* What the shell needs for its first lines and its log. */
uint64_t ledger_boot(const struct ledger *);
bool ledger_loaded(const struct ledger *); /* has LOADED been recorded? */
uint32_t ledger_prepared(const struct ledger *);
/* Was RESOLVE sent to it under this tag, and its branch not ended since? */
bool ledger_awaits(const struct ledger *, struct peer, const char *tag);
void ledger_set_journal(struct ledger *, const struct id *uuid);

/*
 * Opening accounts (accounts.yaml), before the first connection: each one is
 * OPEN and, where balance is not 0, ENTRY kind=open against :equity.CUR (a
 * negative balance goes the other way; id is of the caller, the same for the
 * same account, so that loading again after a crash finds what is there).
 * event kinds are not used: these emit actions as a step does. CODE_NONE, or
 * why not (an account there with another currency or opening balance:
 * ID_REUSED).
 */
struct ledger_opening {
	struct str name;
	uint32_t currency;
	int64_t balance, overdraft; /* minor units; overdraft >= 0 */
	struct id id;
};
enum code
ledger_load(struct ledger *, const struct ledger_opening *, struct actions *);
void ledger_load_done(struct ledger *, uint64_t accounts, struct actions *);

/*
 * The live state as lines of a snapshot: what the records so far make. Legal
 * between steps. False: no more lines were wanted.
 */
bool ledger_snapshot(const struct ledger *, snapshot_line *, void *ctx);
/* What the record tells about an id for ever; false: nothing. */
bool ledger_note(const struct record *, struct id_note *);

/* ---- For tests, the simulator and STATS ---- */
int64_t ledger_sum(const struct ledger *, uint32_t currency); /* always 0 */
struct ledger_account {
	struct str name;
	uint32_t currency;
	int64_t posted, held, overdraft;
	enum ledger_account_state {
		ACCOUNT_OPEN,
		ACCOUNT_FROZEN,
		ACCOUNT_CLOSED
	} state;
};
bool
ledger_account(const struct ledger *, struct str name, struct ledger_account *);
/* System accounts are named per currency already; index walks them all. */
bool ledger_account_at(
    const struct ledger *, uint32_t index, struct ledger_account *);
/*
 * How many ids are remembered, and the lines of a snapshot: equal states give
 * equal dumps.
 */
void ledger_dump(
    const struct ledger *, void (*row)(void *ctx, const char *text), void *ctx);
/*
 * Where the newest record of an id lies, and what the index of ids says of it:
 * UINT8_MAX where it says nothing.
 */
uint8_t
ledger_remembered(const struct ledger *, const struct id *, struct jpos *pos);
/* CHECKs every invariant; slow. */
void ledger_check(const struct ledger *);

#endif
