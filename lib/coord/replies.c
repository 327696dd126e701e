/*
 * What banks answer: votes, acknowledgements, and what their operators did
 * (PROTOCOL.md section 4).
 */
#include <string.h>

#include "base/check.h"
#include "coord/private.h"
#include "wire/tag.h"

static bool
names_branch(
    const struct coord *c, const struct request *r, const struct msg *m)
{
	struct branch branch = {str_from(c->conf.node), r->epoch, r->counter};

	return id_eq(&m->v[KEY_id].id, &r->id) &&
	    branch_eq(&m->v[KEY_branch].branch, &branch);
}

/* The leg that a request was about, if it is still about that. */
static struct leg *
leg_of(const struct request *r)
{
	struct leg *leg;

	if (r->payment == NULL || r->payment->state == PAYMENT_FREE ||
	    !id_eq(&r->payment->id, &r->id) || r->leg >= r->payment->legs)
		return NULL;
	leg = &r->payment->leg[r->leg];
	return leg->epoch == r->epoch && leg->counter == r->counter ? leg
								    : NULL;
}

/* Reasons that only a gateway finds: no bank's to give. */
static bool
is_gateways_own(enum code code)
{
	return code == CODE_BANK_UNAVAILABLE || code == CODE_BANK_TIMEOUT ||
	    code == CODE_GATEWAY_RESTART || code == CODE_HOLD_EXPIRED ||
	    code == CODE_CANCELLED;
}

/* What a refusal to prepare means for the payment. */
static enum code
refusal_of(enum code code)
{
	if (is_gateways_own(code))
		return CODE_INTERNAL;
	switch (code_retry(code)) {
	case RETRY_NEW_ID:
	case RETRY_SAME_ID:
		return code;
	case RETRY_NEVER:
		if (code == CODE_ALREADY_EXISTS || code == CODE_ID_REUSED)
			return code;
		break;
	case RETRY_LOGIN:
		break;
	}
	return CODE_INTERNAL;
}

/* Is the id committed by an operator, in a branch that this gateway aborted? */
static bool
is_overruled(const struct coord *c, const struct msg *m)
{
	return msg_has(m, branch) && msg_has(m, outcome) &&
	    str_is(m->v[KEY_branch].branch.node, c->conf.node) &&
	    str_is(m->v[KEY_outcome].str, "committed");
}

static void
on_vote(struct coord *c, struct bank *b, struct request *r,
    const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->msg;
	struct abort_job late = {
	    .id = r->id, .epoch = r->epoch, .counter = r->counter};
	struct leg *leg = leg_of(r);
	bool awaited = leg != NULL && leg->state == LEG_ASKED &&
	    leg->payment->state == PAYMENT_PREPARING;

	if (m->word == MSG_ERR) {
		enum code no = refusal_of((enum code)m->v[KEY_code].u64);

		if (no == CODE_ALREADY_EXISTS && is_overruled(c, m))
			no = CODE_HEURISTIC;
		if (no == CODE_INTERNAL)
			request_log_refusal(b, &r->id, m, actions);
		if (awaited)
			attempt_vote(c, leg, no, actions);
		return;
	}
	if (!names_branch(c, r, m) || !str_is(m->v[KEY_vote].str, "yes")) {
		emit_close(actions, ev->peer, "a vote for another branch");
		return;
	}
	if (!awaited) {
		link_abort_branch(c, b, &late, actions);
		return;
	}
	leg->proof_seq = m->v[KEY_seq].u64;
	leg->proof_check = m->v[KEY_check].check;
	attempt_vote(c, leg, CODE_NONE, actions);
}

/* The bank lost what it had voted for: it is not used until an operator's word.
 */
static void
stop_using(struct bank *b, const struct request *r, struct actions *actions,
    const char *what)
{
	b->stopped = true;
	emit_log(actions, ACTION_CRIT, &r->id,
	    "FENCED: bank %s %s; it is not used until strife-ctl waive %s",
	    b->name, what, b->name);
}

/*
 * A COMMIT that the bank does not know, although it voted for it. The first
 * time an operator has to look at it; after the WAIVE it goes out again, and
 * the same answer is what came of it.
 */
static void
commit_unknown(struct coord *c, struct bank *b, const struct request *r,
    struct leg *leg, struct actions *actions)
{
	if (leg == NULL || !leg->unknown) {
		stop_using(
		    b, r, actions, "does not know a branch that it voted for");
		if (leg != NULL)
			leg->unknown = true;
		return;
	}
	heuristic_append(c, b, &r->id, false, actions);
	emit_log(actions, ACTION_CRIT, &r->id,
	    "HEURISTIC: bank %s has lost what was committed here, and an "
	    "operator has waived that",
	    b->name);
	leg->proof_seq = 0;
	attempt_acknowledged(c, leg, actions);
}

static void
on_commit(struct coord *c, struct bank *b, struct request *r,
    const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->msg;
	struct leg *leg = leg_of(r);
	enum code code;

	if (leg != NULL &&
	    (leg->state != LEG_COMMIT ||
		leg->payment->state != PAYMENT_COMMITTED))
		leg = NULL;
	if (m->word == MSG_OK) {
		if (!names_branch(c, r, m)) {
			emit_close(actions, ev->peer,
			    "an acknowledgement of another branch");
			return;
		}
		if (leg == NULL)
			return;
		leg->proof_seq = m->v[KEY_seq].u64;
		leg->proof_check = m->v[KEY_check].check;
		attempt_acknowledged(c, leg, actions);
		return;
	}
	code = (enum code)m->v[KEY_code].u64;
	if (code == CODE_HEURISTIC) {
		heuristic_operator(c, b, &r->id, false, actions);
		if (leg != NULL) {
			leg->proof_seq = 0;
			attempt_acknowledged(c, leg, actions);
		}
	} else if (code == CODE_NOT_FOUND) {
		commit_unknown(c, b, r, leg, actions);
	} else {
		request_log_refusal(b, &r->id, m, actions);
		emit_close(actions, ev->peer, "it refused a COMMIT");
	}
}

static void
on_abort(struct coord *c, struct bank *b, struct request *r,
    const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->msg;

	if (m->word == MSG_OK)
		return;
	switch ((int)m->v[KEY_code].u64) {
	case CODE_HEURISTIC:
		heuristic_operator(c, b, &r->id, true, actions);
		break;
	case CODE_NOT_FOUND:
		stop_using(
		    b, r, actions, "committed a branch that was aborted");
		break;
	default:
		request_log_refusal(b, &r->id, m, actions);
		break;
	}
}

void
links_reply(struct coord *c, const struct event *ev, struct bank *b,
    struct actions *actions)
{
	struct request *r = request_find(c, b, ev->msg->verb, ev->msg->tag);
	struct request copy;

	if (ev->msg->word == MSG_EVENT || r == NULL)
		return; /* a reply to no request */
	if (r->asker.peer.slot != PEER_NONE.slot)
		request_relay_back(ev, b, r, actions);
	if (ev->msg->word == MSG_ROW) {
		request_goes_on(c, r);
		return;
	}
	copy = *r;
	request_give(c, b, r);
	b->rtt_ns = c->mono_ns - copy.sent_ns;
	switch ((int)copy.verb) {
	case VERB_DOWN_PREPARE:
		on_vote(c, b, &copy, ev, actions);
		break;
	case VERB_DOWN_COMMIT:
		on_commit(c, b, &copy, ev, actions);
		break;
	case VERB_DOWN_ABORT:
		on_abort(c, b, &copy, ev, actions);
		break;
	default:
		break;
	}
	bank_wake(c, b);
}
