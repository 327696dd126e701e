/*
 * ACCOUNTS: a ROW for each linked account with its currency, which its bank is
 * asked for: all banks at once, so that one that is silent costs the others
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sessions.h"

/* A linked account, in the order of the session's rights. */
struct linked {
	struct session *session;
	struct ask *ask; /* NULL: answered, or never asked */
	uint32_t currency;
};

static void
put_rows(struct session *s)
{
	struct account account;
	struct msg m;
	size_t at = 0;

	for (uint32_t i = 0; i < s->accounts.count; i++) {
		CHECK(rights_next_account(s->rights, &at, &account));
		msg_init(&m, MSG_ROW, VERB_CLIENT_ACCOUNTS, s->accounts.tag);
		msg_set_account(&m, KEY_account, account);
		msg_set_u64(&m, KEY_currency, s->accounts.linked[i].currency);
		turn_send(s->talk.turn, s->talk.peer, &m);
	}
	msg_init(&m, MSG_OK, VERB_CLIENT_ACCOUNTS, s->accounts.tag);
	turn_send(s->talk.turn, s->talk.peer, &m);
}

static void
finish(struct session *s)
{
	put_rows(s);
	free(s->accounts.linked);
	s->accounts.linked = NULL;
	talk_barrier(&s->talk, false);
}

static void
answered(void *ctx, const struct ask_answer *answer)
{
	struct linked *one = ctx;
	struct session *s = one->session;

	one->ask = NULL;
	one->currency = answer->code == CODE_NONE ? answer->currency : 0;
	CHECK(s->accounts.waiting > 0);
	if (--s->accounts.waiting == 0)
		finish(s);
}

static uint32_t
count_accounts(const struct session *s)
{
	struct account account;
	uint32_t count = 0;
	size_t at = 0;

	while (rights_next_account(s->rights, &at, &account))
		count++;
	return count;
}

void
accounts_start(struct session *s, const struct msg *m)
{
	struct asks *asks = session_gatewayd(s)->asks;
	struct account account;
	struct msg request;
	size_t at = 0;

	CHECK(s->accounts.linked == NULL && s->rights != NULL);
	CHECK(str_copy(
	    s->accounts.tag, sizeof(s->accounts.tag), str_from(m->tag)));
	s->accounts.count = count_accounts(s);
	s->accounts.waiting = 0;
	s->accounts.linked =
	    calloc(s->accounts.count + 1, sizeof(*s->accounts.linked));
	if (s->accounts.linked == NULL) {
		talk_error(&s->talk, m->tag, CODE_OVERLOADED, STR_NONE,
		    "too many questions are under way");
		return;
	}
	talk_barrier(&s->talk, true);
	for (uint32_t i = 0; rights_next_account(s->rights, &at, &account);
	     i++) {
		struct linked *one = &s->accounts.linked[i];

		one->session = s;
		msg_init(&request, MSG_REQUEST, VERB_DOWN_BALANCE, "");
		msg_set_str(&request, KEY_account, account.name);
		one->ask =
		    asks_bank(asks, account.bank, &request, answered, one);
		s->accounts.waiting += one->ask != NULL ? 1 : 0;
	}
	if (s->accounts.waiting == 0)
		finish(s);
}

void
accounts_forget(struct session *s)
{
	if (s->accounts.linked == NULL)
		return;
	for (uint32_t i = 0; i < s->accounts.count; i++)
		if (s->accounts.linked[i].ask != NULL)
			asks_forget(session_gatewayd(s)->asks,
			    s->accounts.linked[i].ask);
	free(s->accounts.linked);
	s->accounts.linked = NULL;
}
