#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"

struct action *
ledger_emit(struct actions *out, enum action_kind kind)
{
	struct action *a;

	CHECK(out->count < ACTIONS_STEP_MAX);
	a = &out->at[out->count++];
	/* The message is thousands of octets, and its writers init it. */
	memset(a, 0, offsetof(struct action, msg));
	a->kind = kind;
	a->peer = PEER_NONE;
	return a;
}

/*
 * All that a turn appended becomes durable at once, so waiting for the newest
 * record costs nothing, and after_seq never goes down from one send to the
 * next.
 */
uint64_t
ledger_after(const struct ledger *l, uint64_t seq)
{
	return seq <= l->durable_seq ? 0 : l->last_seq;
}

struct msg *
ledger_reply(
    struct ledger *l, struct actions *out, enum msg_word word, uint64_t seq)
{
	const struct current *c = &l->current;
	struct action *a = ledger_emit(out, AC_SEND);

	a->peer = c->peer;
	a->after_seq = ledger_after(l, seq);
	msg_init(&a->msg, word, c->verb, c->tag);
	return &a->msg;
}

struct msg *
ledger_reply_error(
    struct ledger *l, struct actions *out, enum code code, const char *text)
{
	const struct current *c = &l->current;
	struct action *a = ledger_emit(out, AC_SEND);

	a->peer = c->peer;
	msg_error(&a->msg, c->verb, c->tag, code, text);
	return &a->msg;
}

void
ledger_reply_bad(
    struct ledger *l, struct actions *out, const char *field, const char *text)
{
	struct msg *m = ledger_reply_error(l, out, CODE_BAD_REQUEST, text);

	msg_set_str(m, KEY_field, text_of(field));
}

struct msg *
ledger_append(
    struct ledger *l, struct actions *out, enum verb verb, appended_fn *then)
{
	struct action *a = ledger_emit(out, AC_APPEND);

	CHECK(l->current.appended == NULL && l->current.read == NULL);
	l->current.appended = then;
	msg_init(&a->msg, MSG_REQUEST, verb, "0");
	return &a->msg;
}

void
ledger_read_at(
    struct ledger *l, struct actions *out, struct jpos pos, read_fn *then)
{
	struct action *a = ledger_emit(out, AC_READ);

	CHECK(l->current.appended == NULL && l->current.read == NULL);
	l->current.read = then;
	a->pos = pos;
}

void
ledger_say(struct actions *out, enum action_level level, const struct id *id,
    const char *format, ...)
{
	struct action *a = ledger_emit(out, AC_LOG);
	va_list ap;

	a->level = level;
	if (id != NULL) {
		a->id = *id;
		a->has_id = true;
	}
	va_start(ap, format);
	/* A line for people may end early. */
	(void)vsnprintf(a->text, sizeof(a->text), format, ap);
	va_end(ap);
}

void
ledger_close_peer(
    struct actions *out, struct peer peer, const char *format, ...)
{
	struct action *a = ledger_emit(out, AC_CLOSE);
	va_list ap;

	a->peer = peer;
	va_start(ap, format);
	(void)vsnprintf(a->text, sizeof(a->text), format, ap);
	va_end(ap);
}

void
ledger_current_begin(struct ledger *l, const struct event *event)
{
	struct current *c = &l->current;

	CHECK(c->appended == NULL && c->read == NULL);
	c->verb = event->msg->verb;
	memcpy(c->tag, event->msg->tag, sizeof(c->tag));
	c->peer = event->peer;
	c->gateway = GATEWAY_NONE;
	c->entry = ID_INDEX_NONE;
	c->chain = 0;
	c->proof_seq = 0;
}

uint64_t
ledger_record_seq(const struct record *record)
{
	uint64_t seq = 0;

	if (record->pos.seq != 0)
		return record->pos.seq;
	for (const char *p = record->msg->tag; *p >= '0' && *p <= '9'; p++)
		seq = seq * 10 + (uint64_t)(*p - '0');
	return seq;
}
