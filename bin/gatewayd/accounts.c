/*
 * ACCOUNTS: a ROW for each linked account with its currency, which its bank is
 * asked for; one after another, and all of it within payments.prepare_timeout.
 */
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "sessions.h"

static void next_row(struct session *);

static void
put_row(struct session *s, struct account account, uint32_t currency)
{
	struct msg m;

	msg_init(&m, MSG_ROW, VERB_CLIENT_ACCOUNTS, s->accounts.tag);
	msg_set_account(&m, KEY_account, account);
	msg_set_u64(&m, KEY_currency, currency);
	turn_send(s->talk.turn, s->talk.peer, &m);
}

/* The account that is asked about: the list does not change meanwhile. */
static void
answered(void *ctx, const struct ask_answer *answer)
{
	struct session *s = ctx;
	struct account account;

	s->accounts.ask = NULL;
	CHECK(s->rights != NULL &&
	    rights_next_account(s->rights, &s->accounts.at, &account));
	put_row(s, account, answer->code == CODE_NONE ? answer->currency : 0);
	next_row(s);
}

static bool
ask(struct session *s, struct account account)
{
	struct asks *asks = session_gatewayd(s)->asks;
	struct msg m;

	if (clock_mono_ns() >= s->accounts.until_ns)
		return false;
	msg_init(&m, MSG_REQUEST, VERB_DOWN_BALANCE, "");
	msg_set_str(&m, KEY_account, account.name);
	s->accounts.ask = asks_bank(asks, account.bank, &m, answered, s);
	return s->accounts.ask != NULL;
}

static void
next_row(struct session *s)
{
	struct account account;
	size_t at = s->accounts.at;
	struct msg m;

	while (rights_next_account(s->rights, &at, &account)) {
		if (ask(s, account))
			return;
		put_row(s, account, 0);
		s->accounts.at = at;
	}
	msg_init(&m, MSG_OK, VERB_CLIENT_ACCOUNTS, s->accounts.tag);
	turn_send(s->talk.turn, s->talk.peer, &m);
	talk_barrier(&s->talk, false);
}

void
accounts_start(struct session *s, const struct msg *m)
{
	CHECK(s->accounts.ask == NULL && s->rights != NULL);
	CHECK(str_copy(
	    s->accounts.tag, sizeof(s->accounts.tag), str_from(m->tag)));
	s->accounts.at = 0;
	s->accounts.until_ns =
	    clock_mono_ns() + session_gatewayd(s)->config.prepare_timeout_ns;
	talk_barrier(&s->talk, true);
	next_row(s);
}

void
accounts_forget(struct session *s)
{
	if (s->accounts.ask != NULL)
		asks_forget(session_gatewayd(s)->asks, s->accounts.ask);
	s->accounts.ask = NULL;
}
