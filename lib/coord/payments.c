/*
 * What clients ask for: PAY, CANCEL, STATUS, BALANCE and HISTORY, and the
 * look-up of ids that are not live (PROTOCOL.md sections 3 and 5).
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

const char *
payment_state_text(const struct payment *p)
{
	switch (p->state) {
	case PAYMENT_FREE:
	case PAYMENT_STATES:
		break;
	case PAYMENT_RECEIVED:
		return "received";
	case PAYMENT_PREPARING:
	case PAYMENT_COMMITTING:
	case PAYMENT_ABORTING:
	case PAYMENT_HOLDING:
		return "preparing";
	case PAYMENT_COMMITTED:
		return "committed";
	case PAYMENT_HELD:
		return "held";
	}
	CHECK_UNREACHABLE("a payment in the pool");
	return "";
}

/* ---- Answers about an id that is known ---- */

static void
answer_reused(const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);

	emit_error(actions, &asker, CODE_ID_REUSED,
	    "this id belongs to another payment");
}

static struct msg *
answer_exists(
    const struct event *ev, struct actions *actions, const char *state)
{
	struct asker asker = asker_of(ev);
	struct msg *m;

	emit_error(actions, &asker, CODE_ALREADY_EXISTS,
	    "this payment has ended already");
	m = &actions->at[actions->count - 1].msg;
	msg_set_id(m, KEY_id, &ev->msg->v[KEY_id].id);
	msg_set_str(m, KEY_state, str_from(state));
	return m;
}

static void
answer_exists_committed(const struct event *ev, struct actions *actions,
    uint64_t seq, int64_t time_us)
{
	struct msg *m = answer_exists(ev, actions, "committed");

	msg_set_u64(m, KEY_seq, seq);
	msg_set_i64(m, KEY_time, time_us);
}

/* Another gateway committed it: no record of ours tells when, or as which. */
static void
answer_exists_elsewhere(const struct event *ev, struct actions *actions,
    const char *bank, int64_t time_us)
{
	struct msg *m = answer_exists(ev, actions, "committed");

	if (bank[0] != '\0')
		msg_set_str(m, KEY_bank, str_from(bank));
	msg_set_i64(m, KEY_time, time_us);
}

static void
answer_exists_aborted(
    const struct event *ev, struct actions *actions, enum code reason)
{
	struct msg *m = answer_exists(ev, actions, "aborted");

	msg_set_u64(m, KEY_reason, reason);
}

static void
answer_in_progress(
    const struct event *ev, struct actions *actions, const char *state)
{
	struct asker asker = asker_of(ev);
	struct msg *m;

	emit_error(actions, &asker, CODE_IN_PROGRESS,
	    "this payment is not decided yet");
	m = &actions->at[actions->count - 1].msg;
	msg_set_id(m, KEY_id, &ev->msg->v[KEY_id].id);
	msg_set_str(m, KEY_state, str_from(state));
}

static bool
by_operator(const struct event *ev)
{
	return verb_info(ev->msg->verb)->side == SIDE_CONTROL;
}

static void
answer_not_found(const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);

	emit_error(actions, &asker, CODE_NOT_FOUND,
	    by_operator(ev) ? "no payment has this id"
			    : "no payment of yours has this id");
}

/* ---- PAY ---- */

static bool
is_account(const char *text, struct account a)
{
	size_t len = strlen(text);

	return len == (size_t)a.name.len + 1 + a.bank.len &&
	    memcmp(text, a.name.at, a.name.len) == 0 &&
	    text[a.name.len] == '@' &&
	    memcmp(text + a.name.len + 1, a.bank.at, a.bank.len) == 0;
}

static struct str
memo_of(const struct msg *m)
{
	return msg_has(m, memo) ? m->v[KEY_memo].str : STR_NONE;
}

static bool
same_payload(const struct payment *p, const struct msg *m)
{
	return is_account(p->from, m->v[KEY_from].account) &&
	    is_account(p->to, m->v[KEY_to].account) &&
	    p->amount == m->v[KEY_amount].i64 &&
	    p->currency == m->v[KEY_currency].u64 &&
	    str_eq(str_from(p->memo), memo_of(m));
}

static bool
same_payload_as_record(const struct msg *r, const struct msg *m)
{
	return account_eq(r->v[KEY_from].account, m->v[KEY_from].account) &&
	    account_eq(r->v[KEY_to].account, m->v[KEY_to].account) &&
	    r->v[KEY_amount].i64 == m->v[KEY_amount].i64 &&
	    r->v[KEY_currency].u64 == m->v[KEY_currency].u64 &&
	    str_eq(memo_of(r), memo_of(m));
}

/* The checks behind those of the id; only what passes leaves a trace. */
static enum code
refuse_fresh(
    struct coord *c, const struct event *ev, bool known, const char **text)
{
	const struct msg *m = ev->msg;
	const struct bank *from = bank_find(c, m->v[KEY_from].account.bank);
	const struct bank *to = bank_find(c, m->v[KEY_to].account.bank);

	if (!ev->may_pay_from) {
		*text = "you have no rights to the account that pays";
		return CODE_FORBIDDEN;
	}
	if (from == NULL || !from->bound || to == NULL || !to->bound) {
		*text = from == NULL || !from->bound
		    ? "the payer's bank has never registered"
		    : "the payee's bank has never registered";
		return CODE_NO_SUCH_BANK;
	}
	if (c->draining) {
		*text = "this gateway takes no new payments now";
		return CODE_DRAINING;
	}
	if (!c->room) {
		*text = "this gateway's journal has no room";
		return CODE_READ_ONLY;
	}
	*text = "too many payments are in flight";
	if (c->in_flight >= c->conf.in_flight_max || TAILQ_EMPTY(&c->free) ||
	    from->in_flight >= c->conf.per_bank_max ||
	    to->in_flight >= c->conf.per_bank_max ||
	    !user_has_room(c, ev->user) || (!known && id_index_full(c->ids)))
		return CODE_OVERLOADED;
	return CODE_NONE;
}

/* again: where the id's record of an earlier attempt lies, or JPOS_NONE. */
static void
pay_fresh(struct coord *c, const struct event *ev, uint64_t attempts,
    struct jpos again, struct actions *actions)
{
	const struct msg *m = ev->msg;
	struct asker asker = asker_of(ev);
	const char *text = "";
	enum code code = refuse_fresh(c, ev, !jpos_none(again), &text);
	struct msg *r;

	if (code != CODE_NONE) {
		emit_error(actions, &asker, code, text);
		return;
	}
	r = &emit(actions, AC_APPEND)->msg;
	msg_init(r, MSG_REQUEST, VERB_GATEWAY_JOURNAL_RECEIVED, "0");
	msg_set_id(r, KEY_id, &m->v[KEY_id].id);
	msg_set_account(r, KEY_from, m->v[KEY_from].account);
	msg_set_account(r, KEY_to, m->v[KEY_to].account);
	msg_set_i64(r, KEY_amount, m->v[KEY_amount].i64);
	msg_set_u64(r, KEY_currency, m->v[KEY_currency].u64);
	msg_set_str(r, KEY_memo, memo_of(m));
	msg_set_str(r, KEY_user, ev->user);
	msg_set_u64(
	    r, KEY_hold, msg_has(m, hold) && m->v[KEY_hold].u64 == 0 ? 0 : 1);
	msg_set_u64(r, KEY_attempts, attempts + 1);
	msg_set_jpos(r, KEY_prior, c->last_received);
	if (!jpos_none(again))
		msg_set_jpos(r, KEY_again, again);
}

/* RECEIVED came back: the id now has a trace, and the attempt starts. */
void
payments_begin(struct coord *c, struct payment *p, const struct event *ev,
    struct actions *actions)
{
	p->asker = asker_of(ev);
	if (strcmp(p->from, p->to) == 0)
		attempt_fail(c, p, CODE_SAME_ACCOUNT, "", actions);
	else
		attempt_start(c, p, actions);
}

static void
pay_live(
    const struct payment *p, const struct event *ev, struct actions *actions)
{
	bool cancelled =
	    p->state == PAYMENT_ABORTING && p->reason == CODE_CANCELLED;

	if (!str_eq(str_from(p->user), ev->user) ||
	    (!cancelled && !same_payload(p, ev->msg)))
		answer_reused(ev, actions);
	else if (p->state == PAYMENT_COMMITTED)
		answer_exists_committed(
		    ev, actions, p->decided.seq, p->decided_us);
	else
		answer_in_progress(ev, actions, payment_state_text(p));
}

/* ---- CANCEL ---- */

static void
append_tombstone(const struct event *ev, const struct lookup *found,
    struct jpos again, struct actions *actions)
{
	struct msg *m = &emit(actions, AC_APPEND)->msg;

	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_ABORT, "0");
	msg_set_id(m, KEY_id, &ev->msg->v[KEY_id].id);
	msg_set_u64(m, KEY_reason, CODE_CANCELLED);
	msg_set_u64(m, KEY_final, 1);
	msg_set_str(m, KEY_user, ev->user);
	msg_set_u64(m, KEY_attempts, found == NULL ? 0 : found->attempts);
	if (found == NULL)
		return;
	msg_set_jpos(m, KEY_received, found->received);
	msg_set_jpos(m, KEY_again, again);
}

static void
cancel_fresh(struct coord *c, const struct event *ev,
    const struct lookup *found, struct jpos again, struct actions *actions)
{
	struct asker asker = asker_of(ev);

	if (!c->room)
		emit_error(actions, &asker, CODE_READ_ONLY,
		    "this gateway's journal has no room");
	else if (TAILQ_EMPTY(&c->free) ||
	    (found == NULL && id_index_full(c->ids)))
		emit_error(actions, &asker, CODE_OVERLOADED,
		    "too many payments are in flight or remembered");
	else
		append_tombstone(ev, found, again, actions);
}

static void
answer_cancelled_again(
    const struct event *ev, uint64_t after_seq, struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct msg *m = emit_reply(actions, &asker, MSG_OK, after_seq);

	msg_set_id(m, KEY_id, &ev->msg->v[KEY_id].id);
	msg_set_str(m, KEY_state, STR("aborted"));
	msg_set_u64(m, KEY_reason, CODE_CANCELLED);
}

static void
cancel_live(struct payment *p, const struct event *ev, struct actions *actions)
{
	struct msg *m;

	if (!str_eq(str_from(p->user), ev->user)) {
		answer_not_found(ev, actions);
		return;
	}
	switch (p->state) {
	case PAYMENT_HELD:
		p->asker = asker_of(ev);
		m = &emit(actions, AC_APPEND)->msg;
		msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_ABORT, "0");
		msg_set_id(m, KEY_id, &p->id);
		msg_set_u64(m, KEY_reason, CODE_CANCELLED);
		msg_set_u64(m, KEY_final, 1);
		msg_set_str(m, KEY_user, str_from(p->user));
		msg_set_u64(m, KEY_attempts, p->attempts);
		msg_set_jpos(m, KEY_received, p->received);
		msg_set_jpos(m, KEY_again, p->decided);
		break;
	case PAYMENT_ABORTING:
		if (p->reason == CODE_CANCELLED)
			answer_cancelled_again(ev, p->decided.seq, actions);
		else
			answer_in_progress(ev, actions, payment_state_text(p));
		break;
	case PAYMENT_COMMITTED:
		answer_exists_committed(
		    ev, actions, p->decided.seq, p->decided_us);
		break;
	case PAYMENT_RECEIVED:
	case PAYMENT_PREPARING:
	case PAYMENT_COMMITTING:
	case PAYMENT_HOLDING:
		answer_in_progress(ev, actions, payment_state_text(p));
		break;
	case PAYMENT_FREE:
	case PAYMENT_STATES:
		CHECK_UNREACHABLE("a live payment");
	}
}

/* ---- STATUS ---- */

static struct account
account_of(const char *text, uint8_t name_len)
{
	return (struct account){
	    {text, name_len}, str_from(text + name_len + 1)};
}

static void
status_live(struct coord *c, const struct payment *p, const struct event *ev,
    struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct msg *m;
	size_t len = 0;

	if (!by_operator(ev) && !str_eq(str_from(p->user), ev->user)) {
		answer_not_found(ev, actions);
		return;
	}
	m = emit_reply(actions, &asker, MSG_OK, 0);
	msg_set_id(m, KEY_id, &p->id);
	msg_set_str(m, KEY_state, str_from(payment_state_text(p)));
	msg_set_i64(m, KEY_time, p->decided_us);
	if (by_operator(ev))
		msg_set_str(m, KEY_user, str_from(p->user));
	if (p->tombstone)
		return;
	msg_set_account(m, KEY_from, account_of(p->from, p->from_name_len));
	msg_set_account(m, KEY_to, account_of(p->to, p->to_name_len));
	msg_set_i64(m, KEY_amount, p->amount);
	msg_set_u64(m, KEY_currency, p->currency);
	msg_set_u64(m, KEY_attempts, p->attempts);
	if (p->state == PAYMENT_HELD)
		msg_set_u64(m, KEY_reason, p->reason);
	if (p->state != PAYMENT_COMMITTED)
		return;
	msg_set_u64(m, KEY_seq, p->decided.seq);
	for (uint32_t i = 0; i < p->legs; i++)
		if (p->leg[i].state != LEG_ACKED)
			len += (size_t)snprintf(c->pending + len,
			    sizeof(c->pending) - len, "%s%s",
			    len > 0 ? "," : "", p->leg[i].bank->name);
	if (len > 0)
		msg_set_str(m, KEY_pending, str_from(c->pending));
}

/* A bank has told that this id was committed through another gateway. */
static bool
is_committed_elsewhere(const struct lookup *l)
{
	return l->state != REMEMBERED_COMMITTED &&
	    l->reason == CODE_ALREADY_EXISTS;
}

static bool
is_committed(const struct lookup *l)
{
	return l->state == REMEMBERED_COMMITTED || is_committed_elsewhere(l);
}

static void
answer_found_committed(
    const struct lookup *l, const struct event *ev, struct actions *actions)
{
	if (is_committed_elsewhere(l))
		answer_exists_elsewhere(ev, actions, l->bank, l->time_us);
	else
		answer_exists_committed(ev, actions, l->seq, l->time_us);
}

/* payload: the RECEIVED record, NULL for a tombstone that never had one. */
static void
status_ended(const struct lookup *found, const struct msg *payload,
    const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct msg *m = emit_reply(actions, &asker, MSG_OK, 0);

	msg_set_id(m, KEY_id, &ev->msg->v[KEY_id].id);
	msg_set_str(m, KEY_state,
	    is_committed(found) ? STR("committed") : STR("aborted"));
	msg_set_i64(m, KEY_time, found->time_us);
	if (!is_committed(found))
		msg_set_u64(m, KEY_reason, found->reason);
	if (is_committed_elsewhere(found) && found->bank[0] != '\0')
		msg_set_str(m, KEY_bank, str_from(found->bank));
	else if (found->seq > 0 && !is_committed_elsewhere(found))
		msg_set_u64(m, KEY_seq, found->seq);
	if (by_operator(ev))
		msg_set_str(m, KEY_user,
		    payload != NULL ? payload->v[KEY_user].str
				    : str_from(found->user));
	if (payload == NULL)
		return;
	msg_set_account(m, KEY_from, payload->v[KEY_from].account);
	msg_set_account(m, KEY_to, payload->v[KEY_to].account);
	msg_set_i64(m, KEY_amount, payload->v[KEY_amount].i64);
	msg_set_u64(m, KEY_currency, payload->v[KEY_currency].u64);
	msg_set_u64(m, KEY_attempts, found->attempts);
}

/* ---- The look-up ---- */

/* No payment has this id, live or remembered. */
static void
found_nothing(struct coord *c, const struct event *ev, struct actions *actions)
{
	switch ((int)ev->msg->verb) {
	case VERB_CLIENT_PAY:
		pay_fresh(c, ev, 0, JPOS_NONE, actions);
		break;
	case VERB_CLIENT_CANCEL:
		cancel_fresh(c, ev, NULL, JPOS_NONE, actions);
		break;
	case VERB_UP_RESOLVE:
		links_resolve_found(c, ev, NULL, actions);
		break;
	default:
		answer_not_found(ev, actions);
		break;
	}
}

static void
found_ended(struct coord *c, const struct event *ev, const struct msg *payload,
    struct actions *actions)
{
	struct lookup *l = &c->lookup;
	struct jpos again = id_index_pos(c->ids, l->entry);
	struct str user =
	    payload != NULL ? payload->v[KEY_user].str : str_from(l->user);
	bool mine = str_eq(user, ev->user);

	if (payload != NULL && l->attempts == 0)
		l->attempts = payload->v[KEY_attempts].u64;
	switch ((int)ev->msg->verb) {
	case VERB_CLIENT_PAY:
		if (!mine ||
		    (payload != NULL && l->reason != CODE_CANCELLED &&
			!same_payload_as_record(payload, ev->msg)))
			answer_reused(ev, actions);
		else if (is_committed(l))
			answer_found_committed(l, ev, actions);
		else if (l->state == REMEMBERED_FINAL)
			answer_exists_aborted(ev, actions, l->reason);
		else
			pay_fresh(c, ev, l->attempts, again, actions);
		break;
	case VERB_CLIENT_CANCEL:
		if (!mine)
			answer_not_found(ev, actions);
		else if (is_committed(l))
			answer_found_committed(l, ev, actions);
		else if (l->state == REMEMBERED_PASSING)
			cancel_fresh(c, ev, l, again, actions);
		else if (l->reason == CODE_CANCELLED)
			answer_cancelled_again(ev, 0, actions);
		else
			answer_exists_aborted(ev, actions, l->reason);
		break;
	case VERB_UP_RESOLVE:
		links_resolve_found(c, ev, l, actions);
		break;
	default:
		if (mine || by_operator(ev))
			status_ended(l, payload, ev, actions);
		else
			answer_not_found(ev, actions);
		break;
	}
}

static void
look_on(struct coord *c, const struct event *ev, uint64_t after,
    struct actions *actions)
{
	struct lookup *l = &c->lookup;
	uint64_t entry = id_index_find(c->ids, &ev->msg->v[KEY_id].id, after);

	memset(l, 0, sizeof(*l));
	if (entry == ID_INDEX_NONE) {
		found_nothing(c, ev, actions);
		return;
	}
	l->phase = LOOKUP_RECORD;
	l->entry = entry;
	emit(actions, AC_READ)->pos = id_index_pos(c->ids, entry);
}

/* The newest record of the id: notes what it says; true when it is the id's. */
static bool
note_record(struct coord *c, const struct event *ev)
{
	struct lookup *l = &c->lookup;
	const struct record *r = ev->record;
	const struct msg *m = r->msg;

	if (!msg_has(m, id) || !id_eq(&m->v[KEY_id].id, &ev->msg->v[KEY_id].id))
		return false;
	l->state = (enum remembered)id_index_state(c->ids, l->entry);
	l->time_us = m->v[KEY_time].i64;
	switch ((int)m->verb) {
	case VERB_GATEWAY_JOURNAL_COMMIT:
		l->seq = r->pos.seq;
		l->check = r->check;
		if (msg_has(m, attempts))
			l->attempts = m->v[KEY_attempts].u64;
		l->received = m->v[KEY_received].jpos;
		return str_copy(
		    l->branches, sizeof(l->branches), m->v[KEY_branches].str);
	case VERB_GATEWAY_JOURNAL_ABORT:
		l->seq = r->pos.seq;
		l->reason = (enum code)m->v[KEY_reason].u64;
		l->attempts = m->v[KEY_attempts].u64;
		if (msg_has(m, received))
			l->received = m->v[KEY_received].jpos;
		if (msg_has(m, bank) &&
		    !str_copy(l->bank, sizeof(l->bank), m->v[KEY_bank].str))
			return false;
		return !msg_has(m, user) ||
		    str_copy(l->user, sizeof(l->user), m->v[KEY_user].str);
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		l->reason = CODE_GATEWAY_RESTART;
		l->received = r->pos;
		return true;
	default:
		return false;
	}
}

static bool
is_end(const struct event *ev)
{
	const struct msg *m = ev->record->msg;

	return m->verb == VERB_GATEWAY_JOURNAL_END && msg_has(m, again) &&
	    id_eq(&m->v[KEY_id].id, &ev->msg->v[KEY_id].id);
}

void
payments_found(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct lookup *l = &c->lookup;
	struct asker asker = asker_of(ev);
	enum lookup_phase phase = l->phase;

	l->phase = LOOKUP_IDLE;
	if (ev->record == NULL) {
		emit_error(actions, &asker, CODE_INTERNAL,
		    "a record of the journal could not be read");
		emit_log(actions, ACTION_CRIT, &ev->msg->v[KEY_id].id,
		    "a record of the journal could not be read");
		return;
	}
	/* The decision lies before it. */
	if (phase == LOOKUP_RECORD && is_end(ev)) {
		l->phase = LOOKUP_RECORD;
		emit(actions, AC_READ)->pos =
		    ev->record->msg->v[KEY_again].jpos;
		return;
	}
	if (phase == LOOKUP_RECORD) {
		if (!note_record(c, ev)) {
			look_on(c, ev, l->entry, actions);
			return;
		}
		if (!jpos_none(l->received) &&
		    ev->record->msg->verb != VERB_GATEWAY_JOURNAL_RECEIVED) {
			l->phase = LOOKUP_PAYLOAD;
			emit(actions, AC_READ)->pos = l->received;
			return;
		}
	}
	found_ended(
	    c, ev, jpos_none(l->received) ? NULL : ev->record->msg, actions);
}

/* ---- Requests ---- */

static void
ask_bank(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct bank *b = bank_find(c, ev->msg->v[KEY_account].account.bank);

	if (!ev->may_pay_from)
		emit_error(actions, &asker, CODE_FORBIDDEN,
		    "you have no rights to this account");
	else if (b == NULL || !b->bound)
		emit_error(actions, &asker, CODE_NO_SUCH_BANK,
		    "no such bank has ever registered");
	else
		link_relay(c, ev, b, actions);
}

/* Also RESOLVE and the operator's STATUS, where the id is not live. */
void
payments_request(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	struct payment *p;

	if (ev->msg->verb == VERB_CLIENT_BALANCE ||
	    ev->msg->verb == VERB_CLIENT_HISTORY) {
		ask_bank(c, ev, actions);
		return;
	}
	p = payment_find(c, &ev->msg->v[KEY_id].id);
	if (p == NULL) {
		look_on(c, ev, ID_INDEX_NONE, actions);
		return;
	}
	switch ((int)ev->msg->verb) {
	case VERB_CLIENT_PAY:
		pay_live(p, ev, actions);
		break;
	case VERB_CLIENT_CANCEL:
		cancel_live(p, ev, actions);
		break;
	default:
		status_live(c, p, ev, actions);
		break;
	}
}
