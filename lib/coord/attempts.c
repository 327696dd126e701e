/*
 * An attempt: votes, the decision, holding and trying again (ARCHITECTURE.md,
 * two-phase commit; PROTOCOL.md section 5).
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/hex.h"
#include "coord/private.h"

/* ---- Answers ---- */

static void
answer_committed(struct coord *c, struct payment *p, struct actions *actions)
{
	struct msg *m;
	size_t len = 0;

	if (p->asker.peer.slot == PEER_NONE.slot)
		return;
	m = emit_reply(actions, &p->asker, MSG_OK, 0);
	msg_set_id(m, KEY_id, &p->id);
	msg_set_str(m, KEY_state, STR("committed"));
	msg_set_u64(m, KEY_seq, p->decided.seq);
	msg_set_i64(m, KEY_time, p->decided_us);
	/* A bank that is there is about to be told: only the others pend. */
	for (uint32_t i = 0; i < p->legs; i++)
		if (!bank_usable(p->leg[i].bank))
			len += (size_t)snprintf(c->pending + len,
			    sizeof(c->pending) - len, "%s%s",
			    len > 0 ? "," : "", p->leg[i].bank->name);
	if (len > 0)
		msg_set_str(m, KEY_pending, str_from(c->pending));
}

static void
answer_held(struct payment *p, struct actions *actions)
{
	struct msg *m;

	if (p->asker.peer.slot == PEER_NONE.slot)
		return;
	m = emit_reply(actions, &p->asker, MSG_OK, 0);
	msg_set_id(m, KEY_id, &p->id);
	msg_set_str(m, KEY_state, STR("held"));
	msg_set_u64(m, KEY_reason, p->reason);
	if (p->reason_bank[0] != '\0')
		msg_set_str(m, KEY_bank, str_from(p->reason_bank));
	msg_set_u64(m, KEY_seq, p->decided.seq);
	msg_set_i64(m, KEY_time, p->decided_us);
}

static void
answer_aborted(struct payment *p, enum code reason, const char *bank,
    struct actions *actions)
{
	struct msg *m;

	if (p->asker.peer.slot == PEER_NONE.slot)
		return;
	emit_error(actions, &p->asker, reason, code_words(reason));
	m = &actions->at[actions->count - 1].msg;
	msg_set_id(m, KEY_id, &p->id);
	msg_set_str(m, KEY_state,
	    reason == CODE_ALREADY_EXISTS ? STR("committed") : STR("aborted"));
	if (bank[0] != '\0')
		msg_set_str(m, KEY_bank, str_from(bank));
}

/* CANCEL's answer, once its ABORT is durable. */
static void
answer_cancelled(struct payment *p, struct actions *actions)
{
	struct msg *m = emit_reply(actions, &p->asker, MSG_OK, 0);

	msg_set_id(m, KEY_id, &p->id);
	msg_set_str(m, KEY_state, STR("aborted"));
	msg_set_u64(m, KEY_reason, CODE_CANCELLED);
}

/* ---- The attempt ---- */

/* The bank that is away, the payer's first, or NULL. */
static struct bank *
away(const struct payment *p)
{
	for (uint32_t i = 0; i < p->legs; i++)
		if (!bank_usable(p->leg[i].bank))
			return p->leg[i].bank;
	return NULL;
}

void
attempt_start(struct coord *c, struct payment *p, struct actions *actions)
{
	struct bank *gone = away(p);

	if (gone != NULL) {
		attempt_fail(c, p, CODE_BANK_UNAVAILABLE, gone->name, actions);
		return;
	}
	payment_enter(c, p, PAYMENT_PREPARING);
	payment_set_timer(
	    c, p, &c->undecided, c->mono_ns + c->conf.prepare_timeout_ns);
	p->broken = false;
	for (uint32_t i = 0; i < p->legs; i++) {
		struct leg *leg = &p->leg[i];

		leg->epoch = c->epoch;
		leg->counter = ++c->counter;
		leg->no = CODE_NONE;
		link_prepare(c, leg, actions);
	}
}

static struct str
write_branches(struct coord *c, const struct payment *p)
{
	size_t len = 0;

	for (uint32_t i = 0; i < p->legs; i++)
		len += (size_t)snprintf(c->branches + len,
		    sizeof(c->branches) - len, "%s%s:%s.%llu.%llu",
		    i > 0 ? "," : "", p->leg[i].bank->name, c->conf.node,
		    (unsigned long long)p->leg[i].epoch,
		    (unsigned long long)p->leg[i].counter);
	return (struct str){c->branches, (uint32_t)len};
}

static struct str
write_proofs(struct coord *c, const struct payment *p)
{
	char hex[33] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < p->legs; i++) {
		const struct leg *leg = &p->leg[i];

		if (leg->proof_seq == 0)
			continue;
		hex_write(hex, leg->proof_check.octets, 16);
		len += (size_t)snprintf(c->proofs + len,
		    sizeof(c->proofs) - len, "%s%s:%llu:%s", len > 0 ? "," : "",
		    leg->bank->name, (unsigned long long)leg->proof_seq, hex);
	}
	return (struct str){c->proofs, (uint32_t)len};
}

/* All said yes: the record that, once durable, is the commit point. */
static void
decide_commit(struct coord *c, struct payment *p, struct actions *actions)
{
	struct msg *m = &emit(actions, AC_APPEND)->msg;

	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_COMMIT, "0");
	msg_set_id(m, KEY_id, &p->id);
	msg_set_str(m, KEY_branches, write_branches(c, p));
	msg_set_str(m, KEY_proofs, write_proofs(c, p));
	msg_set_u64(m, KEY_attempts, p->attempts);
	msg_set_jpos(m, KEY_received, p->received);
	msg_set_jpos(m, KEY_again, p->decided);
}

static bool
still_to_vote(const struct payment *p)
{
	for (uint32_t i = 0; i < p->legs; i++)
		if (p->leg[i].state == LEG_QUEUED ||
		    p->leg[i].state == LEG_ASKED)
			return true;
	return false;
}

/* May the same id not be tried again because of this? */
static bool
is_conclusive(enum code no)
{
	return code_retry(no) != RETRY_SAME_ID;
}

/*
 * Does this no end the attempt, whatever the other bank says? A final reason,
 * and that the id was committed elsewhere or belongs to another payment. What
 * an operator committed does not: the other bank may know that it is committed
 * in truth, where this gateway has lost its decision.
 */
static bool
ends_attempt(enum code no)
{
	return is_conclusive(no) && no != CODE_HEURISTIC;
}

/* Of two refusals, the one that says more about the payment. */
static int
weight(enum code no)
{
	if (no == CODE_NONE)
		return 0;
	if (no == CODE_ALREADY_EXISTS)
		return 4;
	if (no == CODE_HEURISTIC)
		return 3;
	return is_conclusive(no) ? 2 : 1;
}

/* A vote: no is CODE_NONE for yes. */
void
attempt_vote(
    struct coord *c, struct leg *leg, enum code no, struct actions *actions)
{
	struct payment *p = leg->payment;

	CHECK(p->state == PAYMENT_PREPARING && leg->state == LEG_ASKED);
	if (no == CODE_NONE) {
		leg->state = LEG_YES;
		if (still_to_vote(p))
			return;
		if (!p->broken) {
			decide_commit(c, p, actions);
			return;
		}
	} else {
		leg_unlink(leg);
		leg->state = LEG_NO;
		leg->no = no;
		if (!ends_attempt(no) && still_to_vote(p)) {
			p->broken = true;
			return;
		}
	}
	for (uint32_t i = 0; i < p->legs; i++)
		if (p->leg[i].state == LEG_NO &&
		    weight(p->leg[i].no) > weight(leg->no))
			leg = &p->leg[i];
	attempt_fail(c, p, leg->no, leg->bank->name, actions);
}

static void
append_held(struct payment *p, enum code reason, const char *bank,
    const struct coord *c, struct actions *actions)
{
	struct msg *m = &emit(actions, AC_APPEND)->msg;

	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_HELD, "0");
	msg_set_id(m, KEY_id, &p->id);
	msg_set_u64(m, KEY_reason, reason);
	if (bank[0] != '\0')
		msg_set_str(m, KEY_bank, str_from(bank));
	msg_set_i64(m, KEY_first, p->was_held ? p->first_us : c->wall_us);
	msg_set_u64(m, KEY_attempts, p->attempts);
	msg_set_jpos(m, KEY_again, p->decided);
}

static void
append_abort(struct payment *p, enum code reason, const char *bank,
    struct actions *actions)
{
	struct msg *m = &emit(actions, AC_APPEND)->msg;

	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_ABORT, "0");
	msg_set_id(m, KEY_id, &p->id);
	msg_set_u64(m, KEY_reason, reason);
	msg_set_u64(m, KEY_final, code_ends(reason) ? 1 : 0);
	msg_set_str(m, KEY_user, str_from(p->user));
	if (bank[0] != '\0')
		msg_set_str(m, KEY_bank, str_from(bank));
	msg_set_u64(m, KEY_attempts, p->attempts);
	msg_set_jpos(m, KEY_received, p->received);
	msg_set_jpos(m, KEY_again, p->decided);
}

void
attempt_fail(struct coord *c, struct payment *p, enum code reason,
    const char *bank, struct actions *actions)
{
	bool hold = !is_conclusive(reason) &&
	    (p->was_held ||
		(reason == CODE_BANK_UNAVAILABLE && p->hold &&
		    c->held + c->retrying < c->conf.held_max &&
		    user_may_hold(c, str_from(p->user))));

	for (uint32_t i = 0; i < p->legs; i++) {
		struct leg *leg = &p->leg[i];
		bool told = leg->state == LEG_ASKED || leg->state == LEG_YES;

		if (reason == CODE_HEURISTIC && leg->no == CODE_HEURISTIC)
			heuristic_operator(c, leg->bank, &p->id, true, actions);
		leg_unlink(leg);
		if (told && leg->bank->state == BANK_UP)
			link_abort(c, leg, actions);
		leg->state = LEG_IDLE;
	}
	if (p->was_held && hold && p->expiry_ns <= c->mono_ns)
		reason = CODE_HOLD_EXPIRED;
	if (code_ends(reason)) {
		append_abort(p, reason, bank, actions);
	} else if (hold) {
		append_held(p, reason, bank, c, actions);
	} else {
		answer_aborted(p, reason, bank, actions);
		append_abort(p, reason, bank, actions);
	}
}

/* The connection that a vote came or was to come on broke. */
void
attempt_bank_gone(struct coord *c, struct leg *leg, struct actions *actions)
{
	CHECK(leg->payment->state == PAYMENT_PREPARING);
	attempt_fail(
	    c, leg->payment, CODE_BANK_UNAVAILABLE, leg->bank->name, actions);
}

/* ---- Held payments ---- */

/* Where a held payment waits: for a bank, for a while, or for its turn. */
void
held_place(struct coord *c, struct payment *p)
{
	struct bank *gone = away(p);

	if (gone != NULL) {
		payment_set_timer(c, p, &gone->waiting, 0);
	} else if (p->reason == CODE_BANK_UNAVAILABLE) {
		payment_set_timer(c, p, &c->retry, 0);
	} else {
		payment_set_timer(c, p, &c->delayed[p->delay],
		    c->mono_ns + (NS_PER_SECOND << p->delay));
		if (p->delay + 1 < DELAY_CLASSES)
			p->delay++;
	}
}

static bool
may_retry(const struct coord *c)
{
	/* The journal's reserve is for what is in flight already. */
	return !TAILQ_EMPTY(&c->retry) && c->room &&
	    c->in_flight < c->conf.in_flight_max;
}

/*
 * Tries the next one. Where a bank can take no more it waits for that bank, so
 * that one that is slow does not hold up the others'.
 */
static void
retry_one(struct coord *c, struct actions *actions)
{
	struct payment *p = TAILQ_FIRST(&c->retry);

	for (uint32_t i = 0; i < p->legs; i++)
		if (!link_has_room(c, p->leg[i].bank)) {
			payment_set_timer(c, p, &p->leg[i].bank->waiting, 0);
			return;
		}
	p->attempts++;
	payment_count(c, p, true);
	emit_log(actions, ACTION_INFO, &p->id,
	    "a held payment is tried again, attempt %llu",
	    (unsigned long long)p->attempts);
	attempt_start(c, p, actions);
}

/* ---- Time and durability ---- */

static bool
head_is_durable(const struct coord *c)
{
	const struct payment *p = TAILQ_FIRST(&c->deciding);

	return p != NULL && p->decided.seq <= c->durable_seq;
}

static void
became_durable(struct coord *c, struct actions *actions)
{
	struct payment *p = TAILQ_FIRST(&c->deciding);

	payment_set_queue(p, NULL);
	switch ((int)p->state) {
	case PAYMENT_COMMITTING:
		payment_enter(c, p, PAYMENT_COMMITTED);
		answer_committed(c, p, actions);
		for (uint32_t i = 0; i < p->legs; i++)
			link_commit(c, &p->leg[i], actions);
		break;
	case PAYMENT_ABORTING:
		if (p->asker.peer.slot != PEER_NONE.slot) {
			if (p->asker.verb == VERB_CLIENT_CANCEL)
				answer_cancelled(p, actions);
			else
				answer_aborted(
				    p, p->reason, p->reason_bank, actions);
		}
		payment_release(c, p, REMEMBERED_FINAL, p->decided);
		break;
	case PAYMENT_HOLDING:
		payment_enter(c, p, PAYMENT_HELD);
		p->was_held = true;
		answer_held(p, actions);
		p->asker.peer = PEER_NONE;
		payment_set_queue(p, &c->expiring);
		held_place(c, p);
		break;
	default:
		CHECK_UNREACHABLE("a payment that waits for its record");
	}
}

static void
expire_one(struct coord *c, struct actions *actions)
{
	struct payment *p = TAILQ_FIRST(&c->expiring);

	payment_set_queue(p, NULL);
	/* One being tried meanwhile ends by that; see attempt_fail. */
	if (p->state == PAYMENT_HELD)
		append_abort(p, CODE_HOLD_EXPIRED, p->reason_bank, actions);
}

static bool
due(const struct coord *c, const struct payments *list, bool expiry)
{
	const struct payment *p = TAILQ_FIRST(list);

	if (p == NULL)
		return false;
	return (expiry ? p->expiry_ns : p->deadline_ns) <= c->mono_ns;
}

/* The bank that is blamed for a timeout: one that has not voted. */
static const char *
silent_bank(const struct payment *p)
{
	for (uint32_t i = 0; i < p->legs; i++)
		if (p->leg[i].state == LEG_ASKED ||
		    p->leg[i].state == LEG_QUEUED)
			return p->leg[i].bank->name;
	return "";
}

static void
time_out(struct coord *c, struct actions *actions)
{
	struct payment *p = TAILQ_FIRST(&c->undecided);

	CHECK(p->state == PAYMENT_PREPARING);
	attempt_fail(c, p, CODE_BANK_TIMEOUT, silent_bank(p), actions);
}

bool
attempt_tick(struct coord *c, struct actions *actions)
{
	if (head_is_durable(c)) {
		became_durable(c, actions);
		return true;
	}
	if (due(c, &c->undecided, false)) {
		time_out(c, actions);
		return true;
	}
	if (due(c, &c->expiring, true)) {
		expire_one(c, actions);
		return true;
	}
	for (uint32_t i = 0; i < DELAY_CLASSES; i++)
		if (due(c, &c->delayed[i], false)) {
			payment_set_timer(
			    c, TAILQ_FIRST(&c->delayed[i]), &c->retry, 0);
			return true;
		}
	if (may_retry(c)) {
		retry_one(c, actions);
		return true;
	}
	return false;
}

bool
attempt_more(const struct coord *c)
{
	for (uint32_t i = 0; i < DELAY_CLASSES; i++)
		if (due(c, &c->delayed[i], false))
			return true;
	return head_is_durable(c) || may_retry(c) ||
	    due(c, &c->undecided, false) || due(c, &c->expiring, true);
}

int64_t
attempt_next_ns(const struct coord *c)
{
	const struct payment *p = TAILQ_FIRST(&c->undecided);
	int64_t next_ns = INT64_MAX;

	if (p != NULL && p->deadline_ns < next_ns)
		next_ns = p->deadline_ns;
	p = TAILQ_FIRST(&c->expiring);
	if (p != NULL && p->expiry_ns < next_ns)
		next_ns = p->expiry_ns;
	for (uint32_t i = 0; i < DELAY_CLASSES; i++) {
		p = TAILQ_FIRST(&c->delayed[i]);
		if (p != NULL && p->deadline_ns < next_ns)
			next_ns = p->deadline_ns;
	}
	return next_ns;
}

/* A bank has made the decision durable: END when all have. */
void
attempt_acknowledged(struct coord *c, struct leg *leg, struct actions *actions)
{
	struct payment *p = leg->payment;
	struct msg *m;

	leg_unlink(leg);
	leg->state = LEG_ACKED;
	for (uint32_t i = 0; i < p->legs; i++)
		if (p->leg[i].state != LEG_ACKED)
			return;
	m = &emit(actions, AC_APPEND)->msg;
	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_END, "0");
	msg_set_id(m, KEY_id, &p->id);
	msg_set_str(m, KEY_proofs, write_proofs(c, p));
	msg_set_jpos(m, KEY_again, p->decided);
}
