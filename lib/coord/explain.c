/*
 * EXPLAIN: all that this gateway's journal says of one payment. Its records are
 * read back from the newest, each names the one before it, and then told from
 * the oldest on.
 */
#include <stdio.h>

#include "coord/private.h"

bool
explain_start(struct coord *c, struct query *q, const struct event *ev,
    struct actions *actions)
{
	const struct payment *p;
	uint64_t entry;

	q->id = ev->msg->v[KEY_id].id;
	p = payment_find(c, &q->id);
	entry = id_index_find(c->ids, &q->id, ID_INDEX_NONE);
	if (p == NULL && entry == ID_INDEX_NONE) {
		emit_error(actions, &q->asker, CODE_NOT_FOUND,
		    "no payment has this id");
		return false;
	}
	q->phase = QUERY_CHAIN;
	q->at = p != NULL ? p->decided : id_index_pos(c->ids, entry);
	return true;
}

void
explain_chain(struct query *q, const struct record *r)
{
	const struct msg *m = r == NULL ? NULL : r->msg;

	q->at = JPOS_NONE;
	q->phase = QUERY_CHAIN;
	if (m == NULL || !msg_has(m, id) || !id_eq(&m->v[KEY_id].id, &q->id))
		return;
	q->chain[q->chain_len++] = r->pos;
	if (q->chain_len == EXPLAIN_RECORDS_MAX)
		return;
	if (msg_has(m, again))
		q->at = m->v[KEY_again].jpos;
	else if (msg_has(m, received))
		q->at = m->v[KEY_received].jpos;
	else if (m->verb == VERB_GATEWAY_JOURNAL_HELD)
		q->at = q->shown.received;
}

static struct str
event_text(struct coord *c, const struct msg *m)
{
	char currency[4], amount[MONEY_TEXT_MAX];

	switch ((int)m->verb) {
	case VERB_GATEWAY_JOURNAL_COMMIT:
		return m->v[KEY_branches].str;
	case VERB_GATEWAY_JOURNAL_END:
		return m->v[KEY_proofs].str;
	case VERB_GATEWAY_JOURNAL_ABORT:
	case VERB_GATEWAY_JOURNAL_HELD:
		snprintf(c->text, sizeof(c->text), "%s%s%.*s",
		    code_text((enum code)m->v[KEY_reason].u64),
		    msg_has(m, bank) ? " at " : "",
		    msg_has(m, bank) ? (int)m->v[KEY_bank].str.len : 0,
		    msg_has(m, bank) ? m->v[KEY_bank].str.at : "");
		break;
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		currency_text((uint32_t)m->v[KEY_currency].u64, currency);
		money_text(m->v[KEY_amount].i64,
		    (uint32_t)m->v[KEY_currency].u64, amount);
		snprintf(c->text, sizeof(c->text),
		    "attempt %llu of %.*s: %s %s from %.*s@%.*s to %.*s@%.*s",
		    (unsigned long long)m->v[KEY_attempts].u64,
		    STR_ARG(m->v[KEY_user].str), amount, currency,
		    STR_ARG(m->v[KEY_from].account.name),
		    STR_ARG(m->v[KEY_from].account.bank),
		    STR_ARG(m->v[KEY_to].account.name),
		    STR_ARG(m->v[KEY_to].account.bank));
		break;
	default:
		return STR_NONE;
	}
	return str_from(c->text);
}

void
explain_event(struct coord *c, struct query *q, const struct record *r,
    struct actions *actions)
{
	struct msg *m;

	q->phase = QUERY_EVENT;
	if (r == NULL)
		return;
	/* Nobody is told of a record that a crash may still undo. */
	m = emit_reply(actions, &q->asker, MSG_ROW, r->pos.seq);
	msg_set_i64(m, KEY_time, r->msg->v[KEY_time].i64);
	msg_set_str(m, KEY_where, STR("gateway"));
	msg_set_u64(m, KEY_seq, r->pos.seq);
	msg_set_str(m, KEY_event, str_from(verb_info(r->msg->verb)->word));
	msg_set_str(m, KEY_text, event_text(c, r->msg));
}

/* What a bank did otherwise: these stand beside the chain of records. */
static bool
next_outcome(struct coord *c, struct query *q, struct actions *actions)
{
	while (q->number < c->heuristic_count) {
		const struct heuristic *h = &c->heuristics[q->number++];
		struct msg *m;

		if (!id_eq(&h->id, &q->id))
			continue;
		m = emit_reply(actions, &q->asker, MSG_ROW, h->seq);
		snprintf(c->text, sizeof(c->text), "%s at %s",
		    h->committed ? "committed" : "aborted",
		    c->banks[h->bank].name);
		msg_set_i64(m, KEY_time, h->time_us);
		msg_set_str(m, KEY_where, STR("gateway"));
		msg_set_u64(m, KEY_seq, h->seq);
		msg_set_str(m, KEY_event, STR("HEURISTIC"));
		msg_set_str(m, KEY_text, str_from(c->text));
		return true;
	}
	return false;
}

void
explain_next(struct coord *c, struct query *q, struct actions *actions)
{
	struct payment *p = payment_find(c, &q->id);

	if (q->phase == QUERY_CHAIN && !jpos_none(q->at)) {
		if (p != NULL)
			q->shown.received = p->received;
		query_read(c, q, q->at, QUERY_CHAIN, actions);
		return;
	}
	q->phase = QUERY_EVENT;
	if (q->chain_len > 0) {
		query_read(
		    c, q, q->chain[--q->chain_len], QUERY_EVENT, actions);
		return;
	}
	if (next_outcome(c, q, actions))
		return;
	if (p != NULL && !q->told_now) {
		struct msg *m = emit_reply(actions, &q->asker, MSG_ROW, 0);

		q->told_now = true;
		msg_set_i64(m, KEY_time, c->wall_us);
		msg_set_str(m, KEY_where, STR("gateway"));
		msg_set_u64(m, KEY_seq, 0);
		msg_set_str(m, KEY_event, STR("now"));
		msg_set_str(m, KEY_text, str_from(payment_state_text(p)));
		return;
	}
	(void)query_ok(c, q, actions);
}
