/*
 * strife-ctl's questions and orders (PROTOCOL.md section 8): BANKS, PAYMENTS,
 * EXPLAIN and STATS as lists that are worked off a row a tick; DRAIN, RESUME,
 * WAIVE and REBIND.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

#define PAYMENTS_LIMIT 50

/* ---- Orders ---- */

static void
answer_ok(const struct event *ev, uint64_t after_seq, struct actions *actions)
{
	struct asker asker = asker_of(ev);

	(void)emit_reply(actions, &asker, MSG_OK, after_seq);
}

static void
waive(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct str name = ev->msg->v[KEY_bank].str;
	const struct bank *b = bank_find(c, name);
	struct msg *m;

	if (b == NULL) {
		emit_error(actions, &asker, CODE_NOT_FOUND,
		    "no bank of this name has ever registered");
		return;
	}
	m = &emit(actions, AC_APPEND)->msg;
	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_WAIVE, "0");
	msg_set_str(m, KEY_bank, name);
	msg_set_str(m, KEY_who, ev->who);
	/* Just what it is fenced for: a later fault needs its own WAIVE. */
	if (b->shown.seq == 0)
		return;
	msg_set_u64(m, KEY_gateway_seq, b->shown.seq);
	msg_set_check(m, KEY_gateway_check, &b->shown.check);
}

static void
rebind(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct str name = ev->msg->v[KEY_bank].str;
	struct bank *b = bank_find(c, name);
	struct msg *m;

	if (b == NULL) {
		emit_error(actions, &asker, CODE_NOT_FOUND,
		    "no bank of this name has ever registered");
		return;
	}
	/* Also while it waits for an older connection to be settled. */
	if (b->state == BANK_UP || b->registering) {
		emit_error(actions, &asker, CODE_BAD_REQUEST,
		    "the bank is connected with the journal it is bound to");
		return;
	}
	m = &emit(actions, AC_APPEND)->msg;
	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_BANK, "0");
	msg_set_str(m, KEY_bank, name);
	msg_set_id(m, KEY_journal, &ev->msg->v[KEY_journal].id);
}

void
lists_recorded(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct bank *b;
	struct payment *p;

	if (ev->msg == NULL ||
	    (ev->msg->verb != VERB_CONTROL_WAIVE &&
		ev->msg->verb != VERB_CONTROL_REBIND))
		return;
	answer_ok(ev, ev->record->pos.seq, actions);
	b = bank_find(c, ev->msg->v[KEY_bank].str);
	while (bank_usable(b) && (p = TAILQ_FIRST(&b->waiting)) != NULL)
		payment_set_timer(c, p, &c->retry, 0);
	bank_wake(c, b);
}

/* ---- Lists ---- */

static void
query_end(struct coord *c, struct query *q)
{
	q->asker.verb = VERB_UNKNOWN;
	c->queries_active--;
}

void
lists_down(struct coord *c, struct peer peer)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++)
		if (c->queries[i].asker.verb != VERB_UNKNOWN &&
		    peer_eq(c->queries[i].asker.peer, peer))
			query_end(c, &c->queries[i]);
}

struct msg *
query_ok(struct coord *c, struct query *q, struct actions *actions)
{
	struct msg *m = emit_reply(actions, &q->asker, MSG_OK, 0);

	query_end(c, q);
	return m;
}

static bool
parse_jpos(struct str text, struct jpos *pos)
{
	uint64_t part[2] = {0, 0};
	uint32_t n = 0;

	for (uint32_t i = 0; i < text.len; i++) {
		char ch = text.at[i];

		if (ch == '.' && n == 0 && i > 0)
			n = 1;
		else if (ch < '0' || ch > '9' || part[n] > UINT32_MAX / 10)
			return false;
		else
			part[n] = part[n] * 10 + (uint64_t)(ch - '0');
	}
	*pos = (struct jpos){0, (uint32_t)part[0], (uint32_t)part[1]};
	return n == 1 && part[0] > 0 && part[0] <= UINT32_MAX &&
	    part[1] <= UINT32_MAX;
}

static const char *const states[] = {"received", "preparing", "held",
    "committed", "aborted", "pending", "heuristic"};

static bool
query_payments(struct coord *c, struct query *q, const struct event *ev,
    struct actions *actions)
{
	const struct msg *m = ev->msg;
	const char *field = NULL;

	q->left =
	    msg_has(m, limit) ? (uint32_t)m->v[KEY_limit].u64 : PAYMENTS_LIMIT;
	q->at = c->last_received;
	q->below = UINT64_MAX;
	if (msg_has(m, before)) {
		if (!parse_jpos(m->v[KEY_before].str, &q->at))
			field = "before";
		q->below = (uint64_t)(q->at.segment - 1) << 32 | q->at.offset;
	}
	if (msg_has(m, state)) {
		bool known = false;

		for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
			known |= str_is(m->v[KEY_state].str, states[i]);
		if (!known ||
		    !str_copy(q->state, sizeof(q->state), m->v[KEY_state].str))
			field = "state";
	}
	if (field == NULL)
		return true;
	emit_error(actions, &q->asker, CODE_BAD_REQUEST,
	    "not a state, or not a cursor of this list");
	msg_set_str(&actions->at[0].msg, KEY_field, str_from(field));
	return false;
}

static void
query_start(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct query *q = NULL;
	bool good = true;

	for (uint32_t i = 0; i < QUERIES_MAX && q == NULL; i++)
		if (c->queries[i].asker.verb == VERB_UNKNOWN)
			q = &c->queries[i];
	if (q == NULL) {
		emit_error(actions, &asker, CODE_OVERLOADED,
		    "too many lists are under way");
		return;
	}
	memset(q, 0, sizeof(*q));
	q->asker = asker;
	c->queries_active++;
	if (ev->msg->verb == VERB_CONTROL_PAYMENTS)
		good = query_payments(c, q, ev, actions);
	else if (ev->msg->verb == VERB_CONTROL_EXPLAIN)
		good = explain_start(c, q, ev, actions);
	if (!good)
		query_end(c, q);
}

void
lists_request(struct coord *c, const struct event *ev, struct actions *actions)
{
	switch ((int)ev->msg->verb) {
	case VERB_CONTROL_STATUS:
		payments_request(c, ev, actions);
		break;
	case VERB_CONTROL_DRAIN:
	case VERB_CONTROL_RESUME:
		c->draining = ev->msg->verb == VERB_CONTROL_DRAIN;
		answer_ok(ev, 0, actions);
		break;
	case VERB_CONTROL_WAIVE:
		waive(c, ev, actions);
		break;
	case VERB_CONTROL_REBIND:
		rebind(c, ev, actions);
		break;
	default:
		query_start(c, ev, actions);
		break;
	}
}

static const char *
bank_state_text(const struct bank *b)
{
	if (b->stopped || (b->fenced && b->state != BANK_UP))
		return "fenced";
	return b->state == BANK_UP ? "up" : "down";
}

static void
next_bank(struct coord *c, struct query *q, struct actions *actions)
{
	const struct bank *b;
	struct msg *m;

	while (q->number < c->bank_count && !c->banks[q->number].bound)
		q->number++;
	if (q->number == c->bank_count) {
		(void)query_ok(c, q, actions);
		return;
	}
	b = &c->banks[q->number++];
	m = emit_reply(actions, &q->asker, MSG_ROW, 0);
	msg_set_str(m, KEY_bank, str_from(b->name));
	msg_set_str(m, KEY_state, str_from(bank_state_text(b)));
	msg_set_i64(m, KEY_since, b->since_us);
	msg_set_u64(m, KEY_in_doubt, b->in_flight);
	msg_set_u64(m, KEY_rtt_us, (uint64_t)(b->rtt_ns / NS_PER_US));
	msg_set_id(m, KEY_journal, &b->journal);
}

static void
next_stat(struct coord *c, struct query *q, struct actions *actions)
{
	struct coord_counts n;
	struct msg *m;

	coord_counts(c, &n);
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
	    {"epoch", c->epoch},
	    {"in_flight", n.in_flight},
	    {"held", n.held},
	    {"unacknowledged", n.unacknowledged},
	    {"committed", n.committed},
	    {"aborted", n.aborted},
	    {"remembered", n.remembered},
	    {"remembered_max", c->conf.remembered_max},
	    {"banks", n.banks},
	    {"banks_up", n.banks_up},
	    {"heuristic", c->heuristic_count},
	    {"draining", c->draining},
	    {"read_only", !c->room},
	    {"truncated", c->truncated},
	};
	if (q->number == sizeof(rows) / sizeof(rows[0])) {
		(void)query_ok(c, q, actions);
		return;
	}
	snprintf(c->jpos_text, sizeof(c->jpos_text), "%llu",
	    (unsigned long long)rows[q->number].value);
	m = emit_reply(actions, &q->asker, MSG_ROW, 0);
	msg_set_str(m, KEY_name, str_from(rows[q->number].name));
	msg_set_str(m, KEY_value, str_from(c->jpos_text));
	q->number++;
}

void
query_read(struct coord *c, struct query *q, struct jpos pos,
    enum query_phase phase, struct actions *actions)
{
	q->phase = phase;
	c->reading = q;
	emit(actions, AC_READ)->pos = pos;
}

/* ---- Rows of PAYMENTS ---- */

/* The list goes on behind this cursor. */
static void
end_page(struct coord *c, struct query *q, uint32_t first, uint32_t second,
    struct actions *actions)
{
	struct msg *m = query_ok(c, q, actions);

	snprintf(c->jpos_text, sizeof(c->jpos_text), "%u.%u", first, second);
	msg_set_str(m, KEY_next, str_from(c->jpos_text));
}

static bool
is_heuristic(const struct query *q)
{
	return strcmp(q->state, "heuristic") == 0;
}

static void
copy_account(char *into, uint8_t *name_len, struct account a)
{
	snprintf(into, ACCOUNT_MAX_LEN + 1, "%.*s@%.*s", STR_ARG(a.name),
	    STR_ARG(a.bank));
	*name_len = (uint8_t)a.name.len;
}

static void
note_payload(struct payment *shown, const struct record *r)
{
	const struct msg *m = r->msg;

	shown->id = m->v[KEY_id].id;
	copy_account(
	    shown->from, &shown->from_name_len, m->v[KEY_from].account);
	copy_account(shown->to, &shown->to_name_len, m->v[KEY_to].account);
	CHECK(str_copy(shown->user, sizeof(shown->user), m->v[KEY_user].str));
	shown->amount = m->v[KEY_amount].i64;
	shown->currency = (uint32_t)m->v[KEY_currency].u64;
	shown->received = r->pos;
}

static struct account
account_of(const char *text, uint8_t name_len)
{
	return (struct account){
	    {text, name_len}, str_from(text + name_len + 1)};
}

static void
row(struct coord *c, struct query *q, const char *state, enum code reason,
    int64_t time_us, const struct payment *live, struct actions *actions)
{
	const struct payment *s = &q->shown;
	size_t len = 0;
	struct msg *m;

	c->pending[0] = '\0';
	for (uint32_t i = 0; live != NULL && i < live->legs; i++)
		if (live->state == PAYMENT_COMMITTED &&
		    live->leg[i].state != LEG_ACKED)
			len += (size_t)snprintf(c->pending + len,
			    sizeof(c->pending) - len, "%s%s",
			    len > 0 ? "," : "", live->leg[i].bank->name);
	if (q->state[0] != '\0' && !is_heuristic(q) &&
	    strcmp(q->state, state) != 0 &&
	    (strcmp(q->state, "pending") != 0 || len == 0))
		return;
	q->left--;
	m = emit_reply(actions, &q->asker, MSG_ROW, 0);
	msg_set_id(m, KEY_id, &s->id);
	msg_set_str(m, KEY_state, str_from(state));
	msg_set_i64(m, KEY_time, time_us);
	msg_set_str(m, KEY_user, str_from(s->user));
	if (reason != CODE_NONE)
		msg_set_u64(m, KEY_reason, reason);
	if (len > 0)
		msg_set_str(m, KEY_pending, str_from(c->pending));
	if (s->from[0] == '\0')
		return;
	msg_set_account(m, KEY_from, account_of(s->from, s->from_name_len));
	msg_set_account(m, KEY_to, account_of(s->to, s->to_name_len));
	msg_set_i64(m, KEY_amount, s->amount);
	msg_set_u64(m, KEY_currency, s->currency);
}

static bool
same_pos(struct jpos a, struct jpos b)
{
	return a.segment == b.segment && a.offset == b.offset;
}

/* A RECEIVED record: shown only where it is the newest attempt of its id. */
static void
found_received(struct coord *c, struct query *q, const struct record *r,
    struct actions *actions)
{
	struct payment *p;
	uint64_t entry;

	if (r == NULL || r->msg->verb != VERB_GATEWAY_JOURNAL_RECEIVED) {
		/* A cursor of somebody's own making. */
		q->at = JPOS_NONE;
		return;
	}
	note_payload(&q->shown, r);
	q->id = r->msg->v[KEY_id].id;
	q->at = r->msg->v[KEY_prior].jpos;
	p = payment_find(c, &q->id);
	if (p != NULL) {
		if (same_pos(p->received, r->pos))
			row(c, q, payment_state_text(p), p->reason,
			    p->decided_us, p, actions);
		return;
	}
	entry = id_index_find(c->ids, &q->id, ID_INDEX_NONE);
	if (entry == ID_INDEX_NONE)
		return;
	if (same_pos(id_index_pos(c->ids, entry), r->pos)) {
		row(c, q, "aborted", CODE_GATEWAY_RESTART,
		    r->msg->v[KEY_time].i64, NULL, actions);
		return;
	}
	query_read(c, q, id_index_pos(c->ids, entry), QUERY_NEWEST, actions);
}

/* Of a heuristic one, the payload is read then. */
static void
found_heuristic(struct coord *c, struct query *q, const struct record *r,
    struct actions *actions)
{
	const struct msg *m = r->msg;
	struct payment *s = &q->shown;

	memset(s, 0, sizeof(*s));
	s->id = q->id;
	s->decided_us = m->v[KEY_time].i64;
	if (msg_has(m, reason))
		s->reason = (enum code)m->v[KEY_reason].u64;
	else if (m->verb == VERB_GATEWAY_JOURNAL_RECEIVED)
		s->reason = CODE_GATEWAY_RESTART;
	CHECK(str_copy(s->user, sizeof(s->user),
	    msg_has(m, user) ? m->v[KEY_user].str : STR("-")));
	q->shown_state =
	    m->verb == VERB_GATEWAY_JOURNAL_COMMIT ? "committed" : "aborted";
	if (msg_has(m, received))
		query_read(
		    c, q, m->v[KEY_received].jpos, QUERY_PAYLOAD, actions);
	else
		row(c, q, q->shown_state, s->reason, s->decided_us, NULL,
		    actions);
}

static void
found_payload(struct coord *c, struct query *q, const struct record *r,
    struct actions *actions)
{
	if (r != NULL && r->msg->verb == VERB_GATEWAY_JOURNAL_RECEIVED)
		note_payload(&q->shown, r);
	row(c, q, q->shown_state, q->shown.reason, q->shown.decided_us, NULL,
	    actions);
}

static void
found_newest(struct coord *c, struct query *q, const struct record *r,
    struct actions *actions)
{
	const struct msg *m = r == NULL ? NULL : r->msg;

	if (m == NULL || !msg_has(m, id) || !id_eq(&m->v[KEY_id].id, &q->id))
		return;
	if (m->verb == VERB_GATEWAY_JOURNAL_END) {
		/* The decision lies before it. */
		query_read(c, q, m->v[KEY_again].jpos, QUERY_NEWEST, actions);
		return;
	}
	if (is_heuristic(q)) {
		found_heuristic(c, q, r, actions);
		return;
	}
	if (!msg_has(m, received) ||
	    !same_pos(m->v[KEY_received].jpos, q->shown.received))
		return;
	row(c, q,
	    m->verb == VERB_GATEWAY_JOURNAL_COMMIT ? "committed" : "aborted",
	    msg_has(m, reason) ? (enum code)m->v[KEY_reason].u64 : CODE_NONE,
	    m->v[KEY_time].i64, NULL, actions);
}

/* The newest one of a record before seq, or NULL. */
static const struct heuristic *
heuristic_below(const struct coord *c, uint64_t seq)
{
	for (uint32_t i = c->heuristic_count; i-- > 0;)
		if (c->heuristics[i].seq < seq)
			return &c->heuristics[i];
	return NULL;
}

/* An id that left no other trace: all that is known of it is this. */
static void
row_untraced(struct coord *c, struct query *q, const struct heuristic *h,
    struct actions *actions)
{
	memset(&q->shown, 0, sizeof(q->shown));
	q->shown.id = h->id;
	CHECK(str_copy(q->shown.user, sizeof(q->shown.user), STR("-")));
	row(c, q, "aborted", CODE_NONE, h->time_us, NULL, actions);
}

static void
next_heuristic(struct coord *c, struct query *q, struct actions *actions)
{
	const struct heuristic *h = heuristic_below(c, q->below);
	const struct payment *p;
	uint64_t entry;

	if (h == NULL) {
		(void)query_ok(c, q, actions);
		return;
	}
	if (q->left == 0) {
		/* A cursor's first number is never 0. */
		end_page(c, q, (uint32_t)(q->below >> 32) + 1,
		    (uint32_t)q->below, actions);
		return;
	}
	q->below = h->seq;
	q->id = h->id;
	p = payment_find(c, &q->id);
	if (p != NULL) {
		q->shown = *p;
		row(c, q, payment_state_text(p), p->reason, p->decided_us, p,
		    actions);
		return;
	}
	entry = id_index_find(c->ids, &q->id, ID_INDEX_NONE);
	if (entry != ID_INDEX_NONE)
		query_read(
		    c, q, id_index_pos(c->ids, entry), QUERY_NEWEST, actions);
	else
		row_untraced(c, q, h, actions);
}

static void
next_payment(struct coord *c, struct query *q, struct actions *actions)
{
	if (is_heuristic(q)) {
		next_heuristic(c, q, actions);
		return;
	}
	if (jpos_none(q->at)) {
		(void)query_ok(c, q, actions);
		return;
	}
	if (q->left == 0) {
		end_page(c, q, q->at.segment, q->at.offset, actions);
		return;
	}
	query_read(c, q, q->at, QUERY_RECEIVED, actions);
}

void
lists_found(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct query *q = c->reading;
	enum query_phase phase = q->phase;

	c->reading = NULL;
	q->phase = QUERY_NEXT;
	switch (phase) {
	case QUERY_NEXT:
		CHECK_UNREACHABLE("a read that was asked for");
		break;
	case QUERY_RECEIVED:
		found_received(c, q, ev->record, actions);
		break;
	case QUERY_NEWEST:
		found_newest(c, q, ev->record, actions);
		break;
	case QUERY_PAYLOAD:
		found_payload(c, q, ev->record, actions);
		break;
	case QUERY_CHAIN:
		explain_chain(q, ev->record);
		break;
	case QUERY_EVENT:
		explain_event(c, q, ev->record, actions);
		break;
	}
}

/* One list has its turn, so that a long one holds up no other. */
bool
lists_tick(struct coord *c, struct actions *actions)
{
	struct query *q;

	if (c->queries_active == 0)
		return false;
	do {
		c->query_turn = (c->query_turn + 1) % QUERIES_MAX;
		q = &c->queries[c->query_turn];
	} while (q->asker.verb == VERB_UNKNOWN);
	switch ((int)q->asker.verb) {
	case VERB_CONTROL_BANKS:
		next_bank(c, q, actions);
		break;
	case VERB_CONTROL_STATS:
		next_stat(c, q, actions);
		break;
	case VERB_CONTROL_EXPLAIN:
		explain_next(c, q, actions);
		break;
	default:
		next_payment(c, q, actions);
		break;
	}
	return true;
}
