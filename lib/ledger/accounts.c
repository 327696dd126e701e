/*
 * The books. A transfer is allowed only while every order in which the prepared
 * branches may end keeps both balances within +-MONEY_BALANCE_MAX: the payer's
 * lowest possible balance is posted - held_out, the payee's highest posted +
 * held_in. Both stay in that range always, so sums of them cannot overflow.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"
#include "wire/money.h"

uint32_t
ledger_book_find(const struct ledger *l, struct str name)
{
	uint32_t found = table_find(&l->books_by_name, name.at, name.len);

	return found == TABLE_NONE ? BOOK_NONE : found;
}

uint32_t
ledger_book_add(struct ledger *l, struct str name, uint32_t currency)
{
	struct book *b;

	if (l->book_count == l->conf.accounts_max)
		return BOOK_NONE;
	b = &l->books[l->book_count];
	memset(b, 0, sizeof(*b));
	CHECK(str_copy(b->name, sizeof(b->name), name));
	b->currency = currency;
	b->system = name.at[0] == ':';
	b->state = ACCOUNT_OPEN;
	b->head = JPOS_NONE;
	table_insert(
	    &l->books_by_name, b->name, strlen(b->name), l->book_count);
	return l->book_count++;
}

uint32_t
ledger_book_need(struct ledger *l, struct str name, uint32_t currency)
{
	uint32_t found = ledger_book_find(l, name);

	if (found != BOOK_NONE || name.at[0] != ':')
		return found;
	return ledger_book_add(l, name, currency);
}

bool
ledger_book_has_funds(const struct book *b, int64_t amount)
{
	int64_t lowest;

	if (b->system)
		return true;
	/* Below the bound of all balances there are no funds either. */
	return money_sub(b->posted - b->held_out, amount, &lowest) &&
	    lowest >= -b->overdraft;
}

enum code
ledger_book_limits(
    const struct ledger *l, uint32_t from, uint32_t to, int64_t amount)
{
	int64_t lowest = 0, highest = 0;

	/* A system account that is not there yet begins at zero. */
	if (from != BOOK_NONE)
		lowest = l->books[from].posted - l->books[from].held_out;
	if (to != BOOK_NONE)
		highest = l->books[to].posted + l->books[to].held_in;
	if (!money_sub(lowest, amount, &lowest) ||
	    !money_add(highest, amount, &highest))
		return CODE_LIMIT_EXCEEDED;
	return CODE_NONE;
}

void
ledger_book_post(struct ledger *l, uint32_t from, uint32_t to, int64_t amount,
    const struct record *record)
{
	struct book *f = &l->books[from], *t = &l->books[to];
	uint64_t seq = ledger_record_seq(record);

	CHECK(money_sub(f->posted, amount, &f->posted));
	CHECK(money_add(t->posted, amount, &t->posted));
	f->head = record->pos;
	t->head = record->pos;
	f->touched_seq = seq;
	t->touched_seq = seq;
}

static int64_t
clamp(int64_t value)
{
	if (value > MONEY_BALANCE_MAX)
		return MONEY_BALANCE_MAX;
	return value < -MONEY_BALANCE_MAX ? -MONEY_BALANCE_MAX : value;
}

/* What is shown must be a legal amount, even at the edge of all amounts. */
int64_t
ledger_book_available(const struct book *b)
{
	return clamp(b->posted - b->held_out + b->overdraft);
}

int64_t
ledger_book_held(const struct book *b)
{
	return clamp(b->held_out);
}

void
ledger_book_fields(const struct ledger *l, struct msg *m, const char *from,
    const char *to, int64_t amount)
{
	uint32_t f = ledger_book_find(l, text_of(from)),
		 t = ledger_book_find(l, text_of(to));
	int64_t from_balance = f == BOOK_NONE ? 0 : l->books[f].posted;
	int64_t to_balance = t == BOOK_NONE ? 0 : l->books[t].posted;

	CHECK(money_sub(from_balance, amount, &from_balance));
	CHECK(money_add(to_balance, amount, &to_balance));
	msg_set_i64(m, KEY_from_balance, from_balance);
	msg_set_i64(m, KEY_to_balance, to_balance);
	msg_set_jpos(
	    m, KEY_from_prev, f == BOOK_NONE ? JPOS_NONE : l->books[f].head);
	msg_set_jpos(
	    m, KEY_to_prev, t == BOOK_NONE ? JPOS_NONE : l->books[t].head);
}

/* ":equity.CZK" and the like; false where it does not fit. */
bool
ledger_system_name(
    char into[NAME_MAX_LEN + 1], const char *kind, uint32_t currency)
{
	char letters[4];
	int len;

	currency_text(currency, letters);
	len = snprintf(into, NAME_MAX_LEN + 1, ":%s.%s", kind, letters);
	return len > 0 && len <= NAME_MAX_LEN;
}

const char *
ledger_account_state_text(enum ledger_account_state state)
{
	switch (state) {
	case ACCOUNT_OPEN:
		return "open";
	case ACCOUNT_FROZEN:
		return "frozen";
	case ACCOUNT_CLOSED:
		return "closed";
	}
	return "open";
}

void
ledger_answer_balance(
    struct ledger *l, const struct event *event, struct actions *out)
{
	const struct msg *q = event->msg;
	bool teller = q->verb == VERB_TELLER_BALANCE;
	struct str name = q->v[teller ? KEY_name : KEY_account].str;
	uint32_t index = ledger_book_find(l, name);
	const struct book *b;
	struct msg *m;

	if (index == BOOK_NONE) {
		ledger_reply_error(
		    l, out, CODE_NO_SUCH_ACCOUNT, "no such account");
		return;
	}
	b = &l->books[index];
	/* The balance is the one that stood once this record was durable. */
	uint64_t seq =
	    b->touched_seq > l->durable_seq ? b->touched_seq : l->durable_seq;
	m = ledger_reply(l, out, MSG_OK, b->touched_seq);
	msg_set_str(m, teller ? KEY_name : KEY_account, text_of(b->name));
	msg_set_u64(m, KEY_currency, b->currency);
	msg_set_i64(m, KEY_posted, b->posted);
	msg_set_i64(m, KEY_held, ledger_book_held(b));
	msg_set_i64(m, KEY_available, ledger_book_available(b));
	msg_set_u64(m, KEY_seq, seq);
	if (teller) {
		msg_set_u64(m, KEY_overdraft, (uint64_t)b->overdraft);
		msg_set_str(
		    m, KEY_state, text_of(ledger_account_state_text(b->state)));
	}
}
