/*
 * RESOLVE: what this gateway knows of a branch that a bank asks about
 * (PROTOCOL.md section 4).
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

static void
resolve_answer(struct coord *c, const struct event *ev, struct actions *actions,
    const char *outcome)
{
	struct asker asker = asker_of(ev);
	struct msg *m = emit_reply(actions, &asker, MSG_OK, 0);

	(void)c;
	msg_set_id(m, KEY_id, &ev->msg->v[KEY_id].id);
	msg_set_branch(m, KEY_branch, ev->msg->v[KEY_branch].branch);
	msg_set_str(m, KEY_outcome, str_from(outcome));
}

/*
 * The branch was aborted. A bank whose operator committed it is answered so
 * when that is on record here, and asks no more.
 */
static void
resolve_abort(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct id *id = &ev->msg->v[KEY_id].id;
	const struct heuristic *h;
	struct bank *b;

	if (!msg_has(ev->msg, outcome)) {
		resolve_answer(c, ev, actions, "abort");
		return;
	}
	b = bank_find(c, ev->user);
	CHECK(b != NULL);
	h = heuristic_find(c, b, id, true);
	if (h != NULL) {
		resolve_answer(c, ev, actions, "abort");
		actions->at[actions->count - 1].after_seq = h->seq;
	} else if (heuristic_may_tell(c, b)) {
		heuristic_told(c, b);
		heuristic_operator(c, b, id, true, actions);
	} else {
		resolve_answer(c, ev, actions, "wait");
	}
}

void
links_resolve_recorded(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	if (ev->msg == NULL || ev->msg->verb != VERB_UP_RESOLVE)
		return;
	resolve_answer(c, ev, actions, "abort");
	actions->at[actions->count - 1].after_seq = ev->record->pos.seq;
}

static void
resolve_commit(struct coord *c, const struct event *ev, struct actions *actions,
    uint64_t seq, const struct check *check)
{
	struct msg *m;

	resolve_answer(c, ev, actions, "commit");
	m = &actions->at[actions->count - 1].msg;
	msg_set_u64(m, KEY_seq, seq);
	msg_set_check(m, KEY_check, check);
}

/*
 * No COMMIT is known: presumed abort. But where this gateway may have lost a
 * COMMIT, a branch waits until the other bank has told what it knows.
 */
static void
resolve_unknown(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	struct branch branch = ev->msg->v[KEY_branch].branch;
	struct str peer = ev->msg->v[KEY_peer].str;
	const char *at = memchr(peer.at, '@', peer.len);
	struct bank *other;

	if (branch.epoch > c->epoch) {
		emit_log(actions, ACTION_CRIT, &ev->msg->v[KEY_id].id,
		    "FENCED: bank %.*s holds a branch of epoch %llu, and this "
		    "gateway is at %llu: its journal was restored or copied",
		    STR_ARG(ev->user), (unsigned long long)branch.epoch,
		    (unsigned long long)c->epoch);
		resolve_answer(c, ev, actions, "wait");
		return;
	}
	/*
	 * A payment was never begun before both of its banks were bound, so a
	 * bank that is not known is one more thing that was lost.
	 */
	if (at != NULL) {
		struct str name = {
		    at + 1, peer.len - (uint32_t)(at + 1 - peer.at)};

		other = bank_find(c, name);
		if (other == NULL || !other->bound ||
		    (c->truncated && !other->registered && !other->waived)) {
			resolve_answer(c, ev, actions, "wait");
			return;
		}
	}
	resolve_abort(c, ev, actions);
}

/* The id is not live; its newest record, if any, has been read. */
void
links_resolve_found(struct coord *c, const struct event *ev,
    const struct lookup *found, struct actions *actions)
{
	char text[BANK_MAX_LEN + 2 + BRANCH_TEXT_MAX];
	char branch[BRANCH_TEXT_MAX + 1];
	const char *at;
	int len;

	if (found != NULL && found->state == REMEMBERED_COMMITTED) {
		branch_text(&ev->msg->v[KEY_branch].branch, branch);
		len = snprintf(
		    text, sizeof(text), "%.*s:%s", STR_ARG(ev->user), branch);
		at = strstr(found->branches, text);
		if (at != NULL && (at == found->branches || at[-1] == ',') &&
		    (at[len] == '\0' || at[len] == ',')) {
			resolve_commit(
			    c, ev, actions, found->seq, &found->check);
			return;
		}
	}
	resolve_unknown(c, ev, actions);
}

static bool
has_branch_of_another(const struct legs *legs, const struct event *ev)
{
	struct branch branch = ev->msg->v[KEY_branch].branch;
	const struct leg *leg;

	TAILQ_FOREACH (leg, legs, entry)
		if (leg->epoch == branch.epoch &&
		    leg->counter == branch.counter)
			return !id_eq(
			    &leg->payment->id, &ev->msg->v[KEY_id].id);
	return false;
}

/* Is this open branch one of another id? At most per_bank_max are looked at. */
static bool
is_of_another(const struct bank *b, const struct event *ev)
{
	return has_branch_of_another(&b->asked, ev) ||
	    has_branch_of_another(&b->commits, ev) ||
	    has_branch_of_another(&b->committing, ev);
}

void
links_resolve(struct coord *c, const struct event *ev, struct bank *b,
    struct actions *actions)
{
	struct branch branch = ev->msg->v[KEY_branch].branch;
	struct asker asker = asker_of(ev);
	struct payment *p;

	if (!str_is(branch.node, c->conf.node)) {
		emit_error(actions, &asker, CODE_FORBIDDEN,
		    "the branch is another gateway's");
		return;
	}
	if (is_of_another(b, ev)) {
		emit_error(actions, &asker, CODE_FORBIDDEN,
		    "the branch is another payment's");
		return;
	}
	if (msg_has(ev->msg, outcome) &&
	    !str_is(ev->msg->v[KEY_outcome].str, "committed")) {
		emit_error(actions, &asker, CODE_BAD_REQUEST,
		    "the outcome of an operator's decision is committed");
		msg_set_str(&actions->at[actions->count - 1].msg, KEY_field,
		    STR("outcome"));
		return;
	}
	p = payment_find(c, &ev->msg->v[KEY_id].id);
	if (p == NULL) {
		payments_request(c, ev, actions); /* reads what is remembered */
		return;
	}
	for (uint32_t i = 0; i < p->legs; i++) {
		const struct leg *leg = &p->leg[i];

		if (leg->epoch != branch.epoch ||
		    leg->counter != branch.counter)
			continue;
		if (leg->bank != b) {
			emit_error(actions, &asker, CODE_FORBIDDEN,
			    "the branch is another bank's");
			return;
		}
		if (p->state == PAYMENT_COMMITTED) {
			resolve_commit(
			    c, ev, actions, p->decided.seq, &p->decided_check);
			return;
		}
		if (p->state == PAYMENT_PREPARING ||
		    p->state == PAYMENT_COMMITTING ||
		    p->state == PAYMENT_ABORTING) {
			resolve_answer(c, ev, actions, "wait");
			return;
		}
	}
	resolve_unknown(c, ev, actions);
}
