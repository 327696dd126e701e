#include "client/spool_entry.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "wire/money.h"

void
spool_entry_new(struct spool_entry *e, const struct id *id,
    const struct order *order, const char *user)
{
	bool fits;

	memset(e, 0, sizeof(*e));
	e->id = *id;
	e->order = *order;
	fits = str_copy(e->user, sizeof(e->user), str_from(user));
	CHECK(fits);
	e->added_us = clock_wall_us();
	e->answer.state = PAYMENT_UNSENT;
}

bool
spool_entry_same(const struct spool_entry *a, const struct spool_entry *b)
{
	return strcmp(a->user, b->user) == 0 && order_eq(&a->order, &b->order);
}

void
spool_entry_request(const struct spool_entry *e, struct msg *m)
{
	msg_init(m, MSG_REQUEST, VERB_CLIENT_PAY, "1");
	msg_set_id(m, KEY_id, &e->id);
	order_request(&e->order, m);
}

/* ---- Answers ---- */

/* As much of it as there is room for, cut between characters. */
static void
copy_cut(char *into, size_t size, struct str text)
{
	if (text.len >= size) {
		text.len = (uint32_t)size - 1;
		while (text.len > 0 &&
		    ((unsigned char)text.at[text.len] & 0xc0) == 0x80)
			text.len--;
	}
	(void)str_copy(into, size, text);
}

void
spool_entry_answered(struct spool_entry *e, const struct msg *reply)
{
	e->answered = true;
	e->answer = answer_read(reply);
	e->text[0] = e->bank[0] = '\0';
	e->time_us = 0;
	/* Of one that is committed, it only says that this is not new. */
	if (reply->word == MSG_ERR && e->answer.state != PAYMENT_COMMITTED)
		copy_cut(e->text, sizeof(e->text), reply->v[KEY_text].str);
	if (msg_has(reply, bank))
		(void)str_copy(
		    e->bank, sizeof(e->bank), reply->v[KEY_bank].str);
	if (msg_has(reply, time))
		e->time_us = reply->v[KEY_time].i64;
}

/* Of an answer that says: nothing has happened, or nothing any more. */
static enum spool_fate
reason_fate(const struct answer *answer)
{
	switch (code_retry(answer->reason)) {
	case RETRY_SAME_ID:
	case RETRY_LOGIN:
		return SPOOL_FATE_WAITS;
	case RETRY_NEW_ID:
		return answer->state == PAYMENT_ABORTED ? SPOOL_FATE_DECLINED
							: SPOOL_FATE_REFUSED;
	case RETRY_NEVER:
		break;
	}
	return SPOOL_FATE_REFUSED;
}

enum spool_fate
spool_entry_fate(const struct answer *answer)
{
	switch (answer->state) {
	case PAYMENT_COMMITTED:
		return SPOOL_FATE_PAID;
	case PAYMENT_ABORTED:
	case PAYMENT_REFUSED:
		return reason_fate(answer);
	case PAYMENT_RECEIVED:
	case PAYMENT_PREPARING:
	case PAYMENT_HELD:
	case PAYMENT_UNKNOWN:
	case PAYMENT_UNSENT:
		break;
	}
	return SPOOL_FATE_WAITS;
}

/* ---- The line ---- */

static void
set_text(struct msg *m, enum key key, const char *text)
{
	if (text[0] != '\0')
		msg_set_str(m, key, str_from(text));
}

static void
set_answer(struct msg *m, const struct spool_entry *e)
{
	if (!e->answered)
		return;
	msg_set_str(m, KEY_state, str_from(answer_state_text(e->answer.state)));
	/* The name of a code of a later version is not known here. */
	if (e->answer.reason != CODE_NONE && !code_is_other(e->answer.reason))
		msg_set_u64(m, KEY_reason, e->answer.reason);
	set_text(m, KEY_bank, e->bank);
	if (e->answer.seq != 0)
		msg_set_u64(m, KEY_seq, e->answer.seq);
	if (e->time_us != 0)
		msg_set_i64(m, KEY_time, e->time_us);
	set_text(m, KEY_text, e->text);
}

size_t
spool_entry_write(const struct spool_entry *e, char into[LINE_MAX_LEN])
{
	struct msg m;
	size_t len;

	msg_init(&m, MSG_REQUEST, VERB_SPOOL_PAY, "1");
	msg_set_id(&m, KEY_id, &e->id);
	msg_set_str(&m, KEY_user, str_from(e->user));
	order_request(&e->order, &m);
	msg_set_i64(&m, KEY_added, e->added_us);
	set_text(&m, KEY_gateway, e->gateway);
	msg_set_u64(&m, KEY_attempts, e->attempts);
	if (e->next_us != 0)
		msg_set_i64(&m, KEY_next, e->next_us);
	set_answer(&m, e);
	len = msg_encode(&m, into);
	/* All of it was checked when it came in. */
	CHECK(len > 0);
	return len;
}

static void
take_text(char *into, size_t size, const struct msg *m, enum key key)
{
	bool fits;

	if ((m->have & MSG_BIT(key)) == 0)
		return;
	fits = str_copy(into, size, m->v[key].str);
	CHECK(fits); /* its type has seen to that */
}

static bool
take_account(char into[ACCOUNT_MAX_LEN + 1], struct account account)
{
	int len = snprintf(into, ACCOUNT_MAX_LEN + 1, "%.*s@%.*s",
	    STR_ARG(account.name), STR_ARG(account.bank));

	return len > 0 && len <= ACCOUNT_MAX_LEN;
}

static bool
take_state(struct spool_entry *e, const struct msg *m)
{
	if (!msg_has(m, state))
		return !msg_has(m, reason);
	e->answered = true;
	return answer_state_parse(&e->answer.state, m->v[KEY_state].str);
}

static bool
take(struct spool_entry *e, const struct msg *m)
{
	e->id = m->v[KEY_id].id;
	take_text(e->user, sizeof(e->user), m, KEY_user);
	if (!take_account(e->order.from, m->v[KEY_from].account) ||
	    !take_account(e->order.to, m->v[KEY_to].account))
		return false;
	e->order.amount = m->v[KEY_amount].i64;
	e->order.currency = (uint32_t)m->v[KEY_currency].u64;
	take_text(e->order.memo, sizeof(e->order.memo), m, KEY_memo);
	e->order.no_hold = msg_has(m, hold) && m->v[KEY_hold].u64 == 0;
	e->added_us = m->v[KEY_added].i64;
	take_text(e->gateway, sizeof(e->gateway), m, KEY_gateway);
	e->attempts = m->v[KEY_attempts].u64;
	if (msg_has(m, next))
		e->next_us = m->v[KEY_next].i64;
	e->answer.state = PAYMENT_UNSENT;
	if (msg_has(m, reason))
		e->answer.reason = (enum code)m->v[KEY_reason].u64;
	take_text(e->bank, sizeof(e->bank), m, KEY_bank);
	if (msg_has(m, seq))
		e->answer.seq = m->v[KEY_seq].u64;
	if (msg_has(m, time))
		e->time_us = m->v[KEY_time].i64;
	take_text(e->text, sizeof(e->text), m, KEY_text);
	return take_state(e, m);
}

const char *
spool_entry_read(struct spool_entry *e, const char *octets, size_t len)
{
	struct msg_problem problem;
	struct line line;
	struct msg m;

	memset(e, 0, sizeof(*e));
	if (len == 0)
		return "it is empty";
	if (len > LINE_MAX_LEN || octets[len - 1] != '\n' ||
	    memchr(octets, '\n', len - 1) != NULL)
		return "it is not one whole line";
	if (line_split(&line, (struct str){octets, (uint32_t)len - 1}) !=
		LINE_OK ||
	    msg_request(&m, &line, SIDE_SPOOL, &problem) != LINE_OK ||
	    !take(e, &m))
		return "its line is damaged";
	return NULL;
}
