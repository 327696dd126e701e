/*
 * An operator overrules: DECIDE ends a prepared branch without its gateway, and
 * POST_LATE posts one that was so aborted and turned out committed. Both leave
 * a DECIDED record that says who and why, followed by the COMMITTED or ABORTED.
 */
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"

static const char *
outcome_text(enum decided outcome)
{
	return outcome == DECIDED_COMMIT ? "commit" : "abort";
}

static void
append_decided(struct ledger *l, struct actions *out, struct branch branch,
    appended_fn *then)
{
	const struct current *c = &l->current;
	struct msg *m = ledger_append(l, out, VERB_BANK_JOURNAL_DECIDED, then);

	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_branch(m, KEY_branch, branch);
	msg_set_str(m, KEY_outcome, text_of(outcome_text(c->outcome)));
	msg_set_str(m, KEY_who, text_of(c->who));
	msg_set_str(m, KEY_why, text_of(c->why));
}

/* ---- DECIDE ---- */

static void
decide_answer(struct ledger *l, struct actions *out)
{
	const struct current *c = &l->current;
	struct msg *m = ledger_reply(l, out, MSG_OK, c->seq);

	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_str(m, KEY_outcome, text_of(outcome_text(c->outcome)));
}

static void
end_branch(struct ledger *l, const struct branch_slot *b, enum decided outcome,
    struct actions *out, appended_fn *then)
{
	if (outcome == DECIDED_COMMIT)
		ledger_branch_append_committed(l, out, b, then);
	else
		ledger_branch_append_aborted(l, out, b, then);
}

static void
decide_recorded(struct ledger *l, struct actions *out)
{
	const struct current *c = &l->current;
	const struct branch_slot *b = ledger_branch_of_id(l, &c->t.id);

	CHECK(b != NULL && b->decided == c->outcome);
	ledger_say(out, ACTION_WARN, &c->t.id,
	    "decided by an operator (%s): %s", c->who,
	    outcome_text(c->outcome));
	end_branch(l, b, c->outcome, out, decide_answer);
}

static void
reply_decided(struct ledger *l, struct actions *out, const char *state)
{
	struct msg *m = ledger_reply_error(l, out, CODE_ALREADY_EXISTS,
	    strcmp(state, "aborted") == 0 &&
		    l->current.outcome == DECIDED_COMMIT
		? "already aborted: see POST_LATE"
		: "already ended");

	msg_set_id(m, KEY_id, &l->current.t.id);
	msg_set_str(m, KEY_state, text_of(state));
}

static void
decide_found(struct ledger *l, const struct record *record, struct actions *out)
{
	const struct current *c = &l->current;

	if (record == NULL) {
		ledger_reply_error(l, out, CODE_NOT_FOUND, "no such branch");
		return;
	}
	switch ((enum remembered)id_index_state(l->index, c->entry)) {
	case REMEMBERED_OVER_COMMIT:
		if (c->outcome == DECIDED_COMMIT)
			decide_answer(l, out);
		else
			reply_decided(l, out, "committed");
		break;
	case REMEMBERED_OVER_ABORT:
		if (c->outcome == DECIDED_ABORT)
			decide_answer(l, out);
		else
			reply_decided(l, out, "aborted");
		break;
	case REMEMBERED_COMMITTED:
		reply_decided(l, out, "committed");
		break;
	case REMEMBERED_ABORTED:
		reply_decided(l, out, "aborted");
		break;
	case REMEMBERED_PREPARED:
	case REMEMBERED_ENTRY:
		ledger_reply_error(l, out, CODE_NOT_FOUND, "no such branch");
		break;
	}
}

static void
begin(struct ledger *l, const struct event *event)
{
	struct current *c = &l->current;

	c->t.id = event->msg->v[KEY_id].id;
	CHECK(str_copy(c->why, sizeof(c->why), event->msg->v[KEY_why].str));
	ledger_who_copy(c->who, event->who);
}

void
ledger_decide(struct ledger *l, const struct event *event, struct actions *out)
{
	struct current *c = &l->current;
	struct str outcome = event->msg->v[KEY_outcome].str;
	const struct branch_slot *b;

	begin(l, event);
	if (str_is(outcome, "commit")) {
		c->outcome = DECIDED_COMMIT;
	} else if (str_is(outcome, "abort")) {
		c->outcome = DECIDED_ABORT;
	} else {
		ledger_reply_bad(l, out, "outcome", "commit or abort");
		return;
	}
	b = ledger_branch_of_id(l, &c->t.id);
	/* The reserve is for what gateways decide; a reason may be long. */
	if (b != NULL && !l->room)
		ledger_reply_error(
		    l, out, CODE_READ_ONLY, "the bank's disk is full");
	else if (b != NULL)
		append_decided(
		    l, out, ledger_slot_branch(l, b), decide_recorded);
	else
		ledger_lookup(l, out, decide_found);
}

static void
finished(struct ledger *l, struct actions *out)
{
	(void)l;
	(void)out;
}

void
ledger_decide_finish(struct ledger *l, struct actions *out)
{
	const struct branch_slot *b = l->branches;

	while (!b->used || b->overruled || b->decided == DECIDED_NOT) {
		b++;
		CHECK(b < l->branches + l->slots_max);
	}
	l->current.proof_seq = 0;
	end_branch(l, b, b->decided, out, finished);
}

/* ---- POST_LATE ---- */

static bool
is_suspense(const char *name)
{
	return strncmp(name, ":suspense.", 10) == 0;
}

/* The account that the operator asked about: where the money was taken. */
static const char *
late_name(const struct transfer *t)
{
	if (is_suspense(t->from))
		return t->from;
	if (is_suspense(t->to))
		return t->to;
	return t->from[0] == ':' ? t->to : t->from;
}

static void
late_answer(struct ledger *l, struct actions *out)
{
	const struct current *c = &l->current;
	struct msg *m = ledger_reply(l, out, MSG_OK, c->seq);

	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_str(m, KEY_name, text_of(late_name(&c->t)));
}

static void
late_decided(struct ledger *l, struct actions *out)
{
	const struct current *c = &l->current;
	struct msg *m =
	    ledger_append(l, out, VERB_BANK_JOURNAL_COMMITTED, late_answer);

	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_branch(m, KEY_branch, ledger_transfer_branch(&c->t));
	msg_set_str(m, KEY_from, text_of(c->t.from));
	msg_set_str(m, KEY_to, text_of(c->t.to));
	msg_set_i64(m, KEY_amount, c->t.amount);
	msg_set_u64(m, KEY_currency, c->t.currency);
	msg_set_str(m, KEY_peer, text_of(c->t.peer));
	msg_set_str(m, KEY_memo, text_of(c->t.memo));
	ledger_book_fields(l, m, c->t.from, c->t.to, c->t.amount);
	msg_set_jpos(m, KEY_again, id_index_pos(l->index, c->entry));
}

/*
 * The hold is gone since the operator's abort, so the account may have become
 * poor or closed; then the bank stands in with its suspense account.
 */
static enum code
late_ends(const struct ledger *l, struct transfer *t)
{
	uint32_t from = ledger_book_find(l, text_of(t->from));
	uint32_t to = ledger_book_find(l, text_of(t->to));
	bool suspended = false;

	CHECK(from != BOOK_NONE && to != BOOK_NONE);
	if (l->books[from].state == ACCOUNT_CLOSED ||
	    !ledger_book_has_funds(&l->books[from], t->amount)) {
		CHECK(ledger_system_name(t->from, "suspense", t->currency));
		suspended = true;
	}
	if (l->books[to].state == ACCOUNT_CLOSED) {
		if (suspended)
			return CODE_ACCOUNT_CLOSED;
		CHECK(ledger_system_name(t->to, "suspense", t->currency));
		suspended = true;
	}
	from = ledger_book_find(l, text_of(t->from));
	to = ledger_book_find(l, text_of(t->to));
	if (suspended && (from == BOOK_NONE || to == BOOK_NONE) &&
	    l->book_count == l->conf.accounts_max)
		return CODE_OVERLOADED;
	return ledger_book_limits(l, from, to, t->amount);
}

static void
late_prepared(
    struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;
	enum code code;

	if (record == NULL || record->msg->verb != VERB_BANK_JOURNAL_PREPARED ||
	    !id_eq(&record->msg->v[KEY_id].id, &c->t.id)) {
		ledger_reply_error(l, out, CODE_INTERNAL,
		    "the PREPARED of this id cannot be read");
		return;
	}
	ledger_transfer_read(&c->t, record->msg);
	code = late_ends(l, &c->t);
	if (code != CODE_NONE) {
		ledger_reply_error(l, out, code,
		    code == CODE_ACCOUNT_CLOSED
			? "the payer's money is gone and the payee is closed"
			: "it cannot be posted");
		return;
	}
	c->outcome = DECIDED_COMMIT;
	append_decided(l, out, ledger_transfer_branch(&c->t), late_decided);
}

static void
late_found(struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;
	uint8_t state;

	if (record == NULL) {
		ledger_reply_error(l, out, CODE_NOT_FOUND, "no such branch");
		return;
	}
	state = id_index_state(l->index, c->entry);
	if (state == REMEMBERED_COMMITTED && msg_has(record->msg, again)) {
		ledger_transfer_read(&c->t, record->msg);
		late_answer(l, out);
	} else if (state != REMEMBERED_OVER_ABORT ||
	    !msg_has(record->msg, prepared)) {
		ledger_reply_error(
		    l, out, CODE_NOT_FOUND, "no operator has aborted this one");
	} else if (!l->room) {
		ledger_reply_error(
		    l, out, CODE_READ_ONLY, "the bank's disk is full");
	} else {
		ledger_read_at(
		    l, out, record->msg->v[KEY_prepared].jpos, late_prepared);
	}
}

void
ledger_decide_post_late(
    struct ledger *l, const struct event *event, struct actions *out)
{
	begin(l, event);
	if (ledger_branch_of_id(l, &l->current.t.id) != NULL)
		ledger_reply_error(l, out, CODE_IN_PROGRESS,
		    "the branch is still prepared: see DECIDE");
	else
		ledger_lookup(l, out, late_found);
}
