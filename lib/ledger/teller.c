/*
 * What a bank's operator does to accounts: open, close, freeze, thaw, limits,
 * deposits and withdrawals; and the opening accounts, which are the same thing
 * done by a file. A frozen account takes part in nothing new, neither as payer
 * nor as payee nor in the operator's own entries, until it is thawed; a closed
 * one never again.
 *
 * Refusals: OPEN of an account with another currency ALREADY_EXISTS; CLOSE of
 * one with a balance FORBIDDEN, with a payment under way IN_PROGRESS; anything
 * but CLOSE of a closed one ACCOUNT_CLOSED; a deposit's id that is known with
 * another payload, or as a payment's, ID_REUSED. What is so already is OK.
 */
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"
#include "wire/money.h"

/* The operator, as the shell knows it; cut where a character ends. */
void
ledger_who_copy(char into[WHO_MAX_LEN + 1], struct str who)
{
	if (who.len > WHO_MAX_LEN) {
		who.len = WHO_MAX_LEN;
		while (who.len > 0 && (who.at[who.len] & 0xc0) == 0x80)
			who.len--;
	}
	if (who.len == 0 || !text_valid(who))
		who = STR("unknown");
	CHECK(str_copy(into, WHO_MAX_LEN + 1, who));
}

/* Takes name and operator; the account's index or BOOK_NONE. */
static uint32_t
begin(struct ledger *l, const struct event *event)
{
	struct current *c = &l->current;

	CHECK(str_copy(
	    c->t.from, sizeof(c->t.from), event->msg->v[KEY_name].str));
	ledger_who_copy(c->who, event->who);
	c->book = ledger_book_find(l, text_of(c->t.from));
	return c->book;
}

static void
reply_named(struct ledger *l, struct actions *out, uint64_t seq)
{
	struct msg *m = ledger_reply(l, out, MSG_OK, seq);

	msg_set_str(m, KEY_name, text_of(l->current.t.from));
}

static void
named_recorded(struct ledger *l, struct actions *out)
{
	reply_named(l, out, l->current.seq);
}

/* With the overdraft that it has, which need not be the one asked for. */
static void
reply_opened(struct ledger *l, struct actions *out, uint64_t seq)
{
	const struct book *b = &l->books[l->current.book];

	reply_named(l, out, seq);
	msg_set_u64(&out->at[out->count - 1].msg, KEY_overdraft,
	    (uint64_t)b->overdraft);
}

static void
open_recorded(struct ledger *l, struct actions *out)
{
	l->current.book = ledger_book_find(l, text_of(l->current.t.from));
	CHECK(l->current.book != BOOK_NONE);
	reply_opened(l, out, l->current.seq);
}

static void
reply_no_account(struct ledger *l, struct actions *out)
{
	ledger_reply_error(l, out, CODE_NO_SUCH_ACCOUNT, "no such account");
}

static bool
has_room(struct ledger *l, struct actions *out)
{
	if (!l->room)
		ledger_reply_error(
		    l, out, CODE_READ_ONLY, "the bank's disk is full");
	return l->room;
}

static bool
overdraft_is_sane(struct ledger *l, const struct msg *m, struct actions *out)
{
	if (!msg_has(m, overdraft) ||
	    m->v[KEY_overdraft].u64 <= (uint64_t)MONEY_BALANCE_MAX)
		return true;
	ledger_reply_bad(l, out, "overdraft", "at most 10^18");
	return false;
}

void
ledger_teller_open(
    struct ledger *l, const struct event *event, struct actions *out)
{
	const struct current *c = &l->current;
	const struct msg *q = event->msg;
	uint32_t index = begin(l, event);
	struct msg *m;

	if (!overdraft_is_sane(l, q, out))
		return;
	if (index != BOOK_NONE) {
		const struct book *b = &l->books[index];

		if (b->state == ACCOUNT_CLOSED)
			ledger_reply_error(l, out, CODE_ACCOUNT_CLOSED,
			    "the account was closed");
		else if (b->currency != (uint32_t)q->v[KEY_currency].u64)
			ledger_reply_error(l, out, CODE_ALREADY_EXISTS,
			    "the account has another currency");
		else
			reply_opened(l, out, b->touched_seq);
		return;
	}
	if (!has_room(l, out))
		return;
	if (l->book_count == l->conf.accounts_max) {
		ledger_reply_error(
		    l, out, CODE_OVERLOADED, "the table of accounts is full");
		return;
	}
	m = ledger_append(l, out, VERB_BANK_JOURNAL_OPEN, open_recorded);
	msg_set_str(m, KEY_account, text_of(c->t.from));
	msg_set_u64(m, KEY_currency, q->v[KEY_currency].u64);
	msg_set_u64(m, KEY_overdraft,
	    msg_has(q, overdraft) ? q->v[KEY_overdraft].u64 : 0);
	msg_set_str(m, KEY_who, text_of(c->who));
}

/* ---- CLOSE, FREEZE, THAW, SET ---- */

static struct msg *
append_set(struct ledger *l, struct actions *out)
{
	struct msg *m =
	    ledger_append(l, out, VERB_BANK_JOURNAL_SET, named_recorded);

	msg_set_str(m, KEY_account, text_of(l->current.t.from));
	msg_set_str(m, KEY_who, text_of(l->current.who));
	return m;
}

static bool
may_close(struct ledger *l, const struct book *b, struct actions *out)
{
	if (b->holds > 0) {
		ledger_reply_error(l, out, CODE_IN_PROGRESS,
		    "a payment of this account is under way");
		return false;
	}
	if (b->posted != 0) {
		ledger_reply_error(
		    l, out, CODE_FORBIDDEN, "the balance is not zero");
		return false;
	}
	return true;
}

static void
set_state(struct ledger *l, const struct event *event,
    enum ledger_account_state state, struct actions *out)
{
	uint32_t index = begin(l, event);
	const struct book *b;

	if (index == BOOK_NONE) {
		reply_no_account(l, out);
		return;
	}
	b = &l->books[index];
	if (b->state == state) {
		reply_named(l, out, b->touched_seq);
		return;
	}
	if (b->state == ACCOUNT_CLOSED) {
		ledger_reply_error(
		    l, out, CODE_ACCOUNT_CLOSED, "the account is closed");
		return;
	}
	if (state == ACCOUNT_CLOSED && !may_close(l, b, out))
		return;
	if (has_room(l, out))
		msg_set_str(append_set(l, out), KEY_state,
		    text_of(ledger_account_state_text(state)));
}

void
ledger_teller_close(
    struct ledger *l, const struct event *event, struct actions *out)
{
	set_state(l, event, ACCOUNT_CLOSED, out);
}

void
ledger_teller_freeze(
    struct ledger *l, const struct event *event, struct actions *out)
{
	set_state(l, event, ACCOUNT_FROZEN, out);
}

void
ledger_teller_thaw(
    struct ledger *l, const struct event *event, struct actions *out)
{
	set_state(l, event, ACCOUNT_OPEN, out);
}

void
ledger_teller_set(
    struct ledger *l, const struct event *event, struct actions *out)
{
	uint32_t index = begin(l, event);
	uint64_t overdraft = event->msg->v[KEY_overdraft].u64;
	const struct book *b;

	if (!overdraft_is_sane(l, event->msg, out))
		return;
	if (index == BOOK_NONE) {
		reply_no_account(l, out);
		return;
	}
	b = &l->books[index];
	if (b->state == ACCOUNT_CLOSED)
		ledger_reply_error(
		    l, out, CODE_ACCOUNT_CLOSED, "the account is closed");
	else if (overdraft == (uint64_t)b->overdraft)
		reply_named(l, out, b->touched_seq);
	else if (has_room(l, out))
		msg_set_u64(append_set(l, out), KEY_overdraft, overdraft);
}

/* ---- DEPOSIT and WITHDRAW ---- */

static bool
is_deposit(const struct ledger *l)
{
	return l->current.verb == VERB_TELLER_DEPOSIT;
}

static void
reply_entry(
    struct ledger *l, struct actions *out, int64_t balance, uint64_t seq)
{
	const struct current *c = &l->current;
	struct msg *m = ledger_reply(l, out, MSG_OK, seq);

	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_str(m, KEY_name, text_of(is_deposit(l) ? c->t.to : c->t.from));
	msg_set_i64(m, KEY_balance, balance);
	msg_set_u64(m, KEY_seq, seq);
}

static void
entry_recorded(struct ledger *l, struct actions *out)
{
	const struct current *c = &l->current;

	reply_entry(l, out, l->books[c->book].posted, c->seq);
}

static enum code
entry_check(const struct ledger *l, const struct transfer *t)
{
	uint32_t from = ledger_book_find(l, text_of(t->from));
	uint32_t to = ledger_book_find(l, text_of(t->to));
	uint32_t system = is_deposit(l) ? from : to;
	const struct book *b;

	if (id_index_full(l->index) ||
	    (system == BOOK_NONE && l->book_count == l->conf.accounts_max))
		return CODE_OVERLOADED;
	if (l->current.book == BOOK_NONE)
		return CODE_NO_SUCH_ACCOUNT;
	b = &l->books[l->current.book];
	if (b->state == ACCOUNT_CLOSED)
		return CODE_ACCOUNT_CLOSED;
	if (b->state == ACCOUNT_FROZEN)
		return CODE_ACCOUNT_FROZEN;
	if (b->currency != t->currency)
		return CODE_CURRENCY_MISMATCH;
	if (from != BOOK_NONE &&
	    !ledger_book_has_funds(&l->books[from], t->amount))
		return CODE_INSUFFICIENT_FUNDS;
	return ledger_book_limits(l, from, to, t->amount);
}

static void
append_entry(
    struct ledger *l, struct actions *out, struct str kind, appended_fn *then)
{
	const struct current *c = &l->current;
	struct msg *m = ledger_append(l, out, VERB_BANK_JOURNAL_ENTRY, then);

	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_str(m, KEY_kind, kind);
	msg_set_str(m, KEY_from, text_of(c->t.from));
	msg_set_str(m, KEY_to, text_of(c->t.to));
	msg_set_i64(m, KEY_amount, c->t.amount);
	msg_set_u64(m, KEY_currency, c->t.currency);
	msg_set_str(m, KEY_memo, text_of(c->t.memo));
	msg_set_str(m, KEY_who, text_of(c->who));
	ledger_book_fields(l, m, c->t.from, c->t.to, c->t.amount);
}

static void
entry_again(struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;
	const struct msg *m = record->msg;
	struct transfer old;

	ledger_transfer_read(&old, m);
	if (m->verb == VERB_BANK_JOURNAL_ENTRY &&
	    str_is(
		m->v[KEY_kind].str, is_deposit(l) ? "deposit" : "withdraw") &&
	    ledger_transfer_same_payload(&old, &c->t))
		reply_entry(l, out,
		    m->v[is_deposit(l) ? KEY_to_balance : KEY_from_balance].i64,
		    c->seq);
	else
		ledger_reply_error(
		    l, out, CODE_ID_REUSED, "the id belongs to something else");
}

static void
entry_found(struct ledger *l, const struct record *record, struct actions *out)
{
	const struct current *c = &l->current;
	enum code code;
	struct msg *m;

	if (record != NULL) {
		entry_again(l, record, out);
		return;
	}
	if (!has_room(l, out))
		return;
	code = entry_check(l, &c->t);
	if (code != CODE_NONE) {
		m = ledger_reply_error(l, out, code, code_words(code));
		msg_set_id(m, KEY_id, &c->t.id);
		return;
	}
	append_entry(l, out, is_deposit(l) ? STR("deposit") : STR("withdraw"),
	    entry_recorded);
}

void
ledger_teller_entry(
    struct ledger *l, const struct event *event, struct actions *out)
{
	struct current *c = &l->current;
	struct str name = event->msg->v[KEY_name].str;

	ledger_transfer_read(&c->t, event->msg);
	ledger_who_copy(c->who, event->who);
	c->book = ledger_book_find(l, name);
	CHECK(str_copy(
	    is_deposit(l) ? c->t.to : c->t.from, sizeof(c->t.from), name));
	CHECK(ledger_system_name(
	    is_deposit(l) ? c->t.from : c->t.to, "equity", c->t.currency));
	if (ledger_branch_of_id(l, &c->t.id) != NULL)
		ledger_reply_error(
		    l, out, CODE_ID_REUSED, "the id belongs to a payment");
	else
		ledger_lookup(l, out, entry_found);
}

/* ---- Opening accounts ---- */

static void
load_recorded(struct ledger *l, struct actions *out)
{
	(void)l;
	(void)out;
}

static enum code
opening_check(const struct ledger *l, const struct ledger_opening *o)
{
	int64_t amount = o->balance < 0 ? -o->balance : o->balance;
	char equity[NAME_MAX_LEN + 1];
	uint32_t system;
	enum code code;

	CHECK(ledger_system_name(equity, "equity", o->currency));
	system = ledger_book_find(l, text_of(equity));
	if (id_index_full(l->index))
		return CODE_OVERLOADED;
	code = o->balance < 0
	    ? ledger_book_limits(l, BOOK_NONE, system, amount)
	    : ledger_book_limits(l, system, BOOK_NONE, amount);
	return code;
}

static void
append_opening(struct ledger *l, struct actions *out)
{
	struct current *c = &l->current;
	const struct ledger_opening *o = &c->opening;
	bool owes = o->balance < 0;

	c->t.id = o->id;
	c->t.amount = owes ? -o->balance : o->balance;
	c->t.currency = o->currency;
	c->t.memo[0] = '\0';
	CHECK(str_copy(
	    owes ? c->t.from : c->t.to, sizeof(c->t.to), text_of(c->who)));
	CHECK(ledger_system_name(
	    owes ? c->t.to : c->t.from, "equity", o->currency));
	CHECK(str_copy(c->who, sizeof(c->who), STR("accounts.yaml")));
	append_entry(l, out, STR("open"), load_recorded);
}

static void
load_opened(struct ledger *l, struct actions *out)
{
	if (l->current.opening.balance != 0)
		append_opening(l, out);
}

/* An account of which a crash left no more than the OPEN gets its ENTRY. */
static enum code
load_again(struct ledger *l, const struct book *b, struct actions *out)
{
	const struct ledger_opening *o = &l->current.opening;
	enum code code;

	if (b->currency != o->currency)
		return CODE_ID_REUSED;
	if (b->has_opening)
		return b->opening == o->balance ? CODE_NONE : CODE_ID_REUSED;
	if (o->balance == 0)
		return CODE_NONE;
	code = opening_check(l, o);
	if (code == CODE_NONE)
		append_opening(l, out);
	return code;
}

enum code
ledger_load(
    struct ledger *l, const struct ledger_opening *o, struct actions *out)
{
	struct current *c = &l->current;
	uint32_t index = ledger_book_find(l, o->name), needed;
	char equity[NAME_MAX_LEN + 1];
	enum code code;
	struct msg *m;

	if (!name_valid(o->name) || o->overdraft < 0 ||
	    o->overdraft > MONEY_BALANCE_MAX)
		return CODE_BAD_REQUEST;
	if (o->balance > MONEY_AMOUNT_MAX || o->balance < -MONEY_AMOUNT_MAX)
		return CODE_LIMIT_EXCEEDED;
	CHECK(ledger_system_name(equity, "equity", o->currency));
	needed = (index == BOOK_NONE ? 1u : 0u) +
	    (o->balance != 0 &&
			ledger_book_find(l, text_of(equity)) == BOOK_NONE
		    ? 1u
		    : 0u);
	if (l->conf.accounts_max - l->book_count < needed)
		return CODE_OVERLOADED;
	c->opening = *o;
	/* The name outlives the call, between OPEN and ENTRY. */
	CHECK(str_copy(c->who, sizeof(c->who), o->name));
	c->opening.name = text_of(c->who);
	if (index != BOOK_NONE)
		return load_again(l, &l->books[index], out);
	code = o->balance == 0 ? CODE_NONE : opening_check(l, o);
	if (code != CODE_NONE)
		return code;
	m = ledger_append(l, out, VERB_BANK_JOURNAL_OPEN, load_opened);
	msg_set_str(m, KEY_account, c->opening.name);
	msg_set_u64(m, KEY_currency, o->currency);
	msg_set_u64(m, KEY_overdraft, (uint64_t)o->overdraft);
	msg_set_str(m, KEY_who, STR("accounts.yaml"));
	return CODE_NONE;
}

void
ledger_load_done(struct ledger *l, uint64_t accounts, struct actions *out)
{
	struct msg *m =
	    ledger_append(l, out, VERB_BANK_JOURNAL_LOADED, load_recorded);

	msg_set_u64(m, KEY_accounts, accounts);
}
