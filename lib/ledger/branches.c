/*
 * Branches: PREPARE, COMMIT and ABORT (PROTOCOL.md section 4). What became of
 * an id is in one of two places: prepared ones are in memory with all their
 * fields, all others are found through the index of ids and their records.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"
#include "wire/money.h"

/* ---- The pool ---- */

struct branch_slot *
ledger_branch_of_id(const struct ledger *l, const struct id *id)
{
	uint32_t found = table_find(&l->branches_by_id, id->octets, 16);

	return found == TABLE_NONE ? NULL : &l->branches[found];
}

struct branch_slot *
ledger_branch_of(
    const struct ledger *l, uint32_t gateway, uint64_t epoch, uint64_t counter)
{
	uint64_t key[3] = {gateway, epoch, counter};
	uint32_t found = table_find(&l->branches_by_branch, key, sizeof(key));

	return found == TABLE_NONE ? NULL : &l->branches[found];
}

struct branch_slot *
ledger_branch_add(struct ledger *l, const struct transfer *t, uint32_t gateway,
    uint32_t from, uint32_t to)
{
	uint32_t index = l->branch_free;
	struct branch_slot *b;
	uint64_t key[3] = {gateway, t->epoch, t->counter};

	if (index == UINT32_MAX)
		return NULL;
	b = &l->branches[index];
	l->branch_free = b->next_free;
	memset(b, 0, sizeof(*b));
	b->used = true;
	b->id = t->id;
	b->gateway = gateway;
	b->epoch = t->epoch;
	b->counter = t->counter;
	b->from = from;
	b->to = to;
	b->amount = t->amount;
	memcpy(b->peer, t->peer, sizeof(b->peer));
	memcpy(b->memo, t->memo, sizeof(b->memo));
	table_insert(&l->branches_by_id, b->id.octets, 16, index);
	table_insert(&l->branches_by_branch, key, sizeof(key), index);
	l->branch_count++;
	l->books[from].held_out += t->amount;
	l->books[to].held_in += t->amount;
	l->books[from].holds++;
	l->books[to].holds++;
	ledger_gateway_ask_later(l, b);
	return b;
}

static void
end_hold(struct ledger *l, struct branch_slot *b)
{
	CHECK(b->used && !b->overruled && l->branch_count > 0);
	table_remove(&l->branches_by_id, b->id.octets, 16);
	l->books[b->from].held_out -= b->amount;
	l->books[b->to].held_in -= b->amount;
	l->books[b->from].holds--;
	l->books[b->to].holds--;
	l->branch_count--;
}

/* What is under way about it is answered to nobody. */
static void
ask_no_more(struct ledger *l, struct branch_slot *b)
{
	struct gateway *g = &l->gateways[b->gateway];

	TAILQ_REMOVE(b->asked ? &g->asked : &g->ask, b, link);
}

static void
free_slot(struct ledger *l, struct branch_slot *b)
{
	uint64_t key[3] = {b->gateway, b->epoch, b->counter};

	ask_no_more(l, b);
	table_remove(&l->branches_by_branch, key, sizeof(key));
	b->used = false;
	b->next_free = l->branch_free;
	l->branch_free = (uint32_t)(b - l->branches);
}

void
ledger_branch_remove(struct ledger *l, struct branch_slot *b)
{
	end_hold(l, b);
	free_slot(l, b);
}

void
ledger_branch_settle(struct ledger *l, struct branch_slot *b)
{
	CHECK(b->used && b->overruled && l->overruled_count > 0);
	TAILQ_REMOVE(&l->overruled, b, aged);
	l->overruled_count--;
	free_slot(l, b);
}

void
ledger_branch_overrule(struct ledger *l, struct branch_slot *b, uint64_t seq)
{
	end_hold(l, b);
	if (l->overruled_count == OVERRULED_MAX)
		ledger_branch_settle(l, TAILQ_FIRST(&l->overruled));
	b->overruled = true;
	b->seq = seq;
	TAILQ_INSERT_TAIL(&l->overruled, b, aged);
	l->overruled_count++;
	/* An answer to what was asked while it was prepared is no answer now.
	 */
	ask_no_more(l, b);
	ledger_gateway_ask_later(l, b);
}

void
ledger_branch_append_committed(struct ledger *l, struct actions *out,
    const struct branch_slot *b, appended_fn *then)
{
	const struct current *c = &l->current;
	struct msg *m =
	    ledger_append(l, out, VERB_BANK_JOURNAL_COMMITTED, then);
	const char *from = l->books[b->from].name, *to = l->books[b->to].name;

	msg_set_id(m, KEY_id, &b->id);
	msg_set_branch(m, KEY_branch, ledger_slot_branch(l, b));
	msg_set_str(m, KEY_from, text_of(from));
	msg_set_str(m, KEY_to, text_of(to));
	msg_set_i64(m, KEY_amount, b->amount);
	msg_set_u64(m, KEY_currency, l->books[b->from].currency);
	msg_set_str(m, KEY_peer, text_of(b->peer));
	msg_set_str(m, KEY_memo, text_of(b->memo));
	ledger_book_fields(l, m, from, to, b->amount);
	if (c->proof_seq != 0) {
		msg_set_u64(m, KEY_gateway_seq, c->proof_seq);
		msg_set_check(m, KEY_gateway_check, &c->proof_check);
	}
}

void
ledger_branch_append_settled(struct ledger *l, struct actions *out,
    const struct branch_slot *b, appended_fn *then)
{
	const struct current *c = &l->current;
	struct msg *m = ledger_append(l, out, VERB_BANK_JOURNAL_SETTLED, then);

	CHECK(b->overruled);
	msg_set_id(m, KEY_id, &b->id);
	msg_set_branch(m, KEY_branch, ledger_slot_branch(l, b));
	msg_set_str(
	    m, KEY_outcome, c->proof_seq != 0 ? STR("commit") : STR("abort"));
	if (c->proof_seq != 0) {
		msg_set_u64(m, KEY_gateway_seq, c->proof_seq);
		msg_set_check(m, KEY_gateway_check, &c->proof_check);
	}
}

void
ledger_branch_append_aborted(struct ledger *l, struct actions *out,
    const struct branch_slot *b, appended_fn *then)
{
	struct msg *m = ledger_append(l, out, VERB_BANK_JOURNAL_ABORTED, then);

	msg_set_id(m, KEY_id, &b->id);
	msg_set_branch(m, KEY_branch, ledger_slot_branch(l, b));
	msg_set_jpos(m, KEY_prepared, b->pos);
}

/* ---- What every verb asks first ---- */

static bool
is_branch(const struct branch_slot *b, const struct transfer *t)
{
	return b->epoch == t->epoch && b->counter == t->counter;
}

/* Is the request's branch the one in this record? */
static bool
is_record_branch(const struct record *record, const struct transfer *t)
{
	struct branch wanted = ledger_transfer_branch(t);

	return msg_has(record->msg, branch) &&
	    branch_eq(&record->msg->v[KEY_branch].branch, &wanted);
}

/*
 * Takes the request into current. False where it was answered: the branch is
 * not of the node that speaks, or belongs to another id.
 */
static bool
begin(struct ledger *l, const struct event *event, struct actions *out)
{
	struct current *c = &l->current;
	struct branch_slot *b;

	c->gateway = ledger_gateway_of_peer(l, event->peer);
	CHECK(c->gateway != GATEWAY_NONE);
	ledger_transfer_read(&c->t, event->msg);
	if (strcmp(c->t.node, l->gateways[c->gateway].node) != 0) {
		ledger_reply_error(l, out, CODE_FORBIDDEN,
		    "the branch belongs to another gateway");
		return false;
	}
	b = ledger_branch_of(l, c->gateway, c->t.epoch, c->t.counter);
	if (b != NULL && !id_eq(&b->id, &c->t.id)) {
		ledger_reply_error(
		    l, out, CODE_FORBIDDEN, "the branch belongs to another id");
		return false;
	}
	return true;
}

static void
reply_branch(struct ledger *l, struct msg *m)
{
	const struct transfer *t = &l->current.t;

	msg_set_id(m, KEY_id, &t->id);
	msg_set_branch(m, KEY_branch, ledger_transfer_branch(t));
}

/* ---- PREPARE ---- */

static void
vote_yes(struct ledger *l, struct actions *out, uint64_t seq,
    const struct check *check)
{
	struct msg *m = ledger_reply(l, out, MSG_OK, seq);

	reply_branch(l, m);
	msg_set_str(m, KEY_vote, STR("yes"));
	msg_set_u64(m, KEY_seq, seq);
	msg_set_check(m, KEY_check, check);
}

static void
vote_recorded(struct ledger *l, struct actions *out)
{
	vote_yes(l, out, l->current.seq, &l->current.check);
}

static void
prepare_changed(struct ledger *l, struct actions *out)
{
	struct current *c = &l->current;
	char text[BRANCH_TEXT_MAX + 1];
	struct branch branch = ledger_transfer_branch(&c->t);

	branch_text(&branch, text);
	ledger_say(out, ACTION_CRIT, &c->t.id,
	    "gateway %s repeated branch %s with other fields", c->t.node, text);
	ledger_close_peer(out, c->peer, "PREPARE repeated with other fields");
	ledger_gateways_down(l, c->peer);
}

/* ":clearing.BANK.CUR" to its BANK; false for any other system account. */
static bool
clearing_bank(struct str name, struct str *bank, struct str *currency)
{
	struct str lead = STR(":clearing.");

	if (name.len < lead.len + 5 || memcmp(name.at, lead.at, lead.len) != 0)
		return false;
	*bank = (struct str){name.at + lead.len, name.len - lead.len - 4};
	*currency = (struct str){name.at + name.len - 3, 3};
	return true;
}

/*
 * One end at least is a customer's; the other may be the clearing account of
 * the bank where `peer` is. NULL, or the field that is to blame.
 */
static const char *
prepare_bad_field(const struct ledger *l, const struct transfer *t)
{
	bool from_system = t->from[0] == ':', to_system = t->to[0] == ':';
	const char *end = from_system ? t->from : t->to;
	struct str bank, letters;
	uint32_t currency;
	struct account peer;

	if (!from_system && !to_system)
		return NULL;
	if (from_system && to_system)
		return "to";
	if (!clearing_bank(text_of(end), &bank, &letters) ||
	    !currency_parse(&currency, letters) || currency != t->currency ||
	    str_is(bank, l->conf.bank))
		return from_system ? "from" : "to";
	if (!account_parse(&peer, text_of(t->peer)) || !str_eq(peer.bank, bank))
		return "peer";
	return NULL;
}

static bool
prepare_is_sane(struct ledger *l, struct actions *out)
{
	const struct transfer *t = &l->current.t;
	const char *field = prepare_bad_field(l, t);

	if (field != NULL) {
		ledger_reply_bad(l, out, field,
		    "a branch is between a customer and a customer or the "
		    "clearing account of the peer's bank");
		return false;
	}
	if (strcmp(t->from, t->to) == 0) {
		ledger_reply_error(l, out, CODE_SAME_ACCOUNT,
		    "payer and payee are the same account");
		return false;
	}
	return true;
}

/* Passing refusals first: they must not look like final ones. */
static enum code
prepare_room(const struct ledger *l)
{
	const struct current *c = &l->current;
	bool new_book =
	    (c->t.from[0] == ':' &&
		ledger_book_find(l, text_of(c->t.from)) == BOOK_NONE) ||
	    (c->t.to[0] == ':' &&
		ledger_book_find(l, text_of(c->t.to)) == BOOK_NONE);

	if (!l->room)
		return CODE_READ_ONLY;
	if (l->branch_count == l->conf.in_flight_max ||
	    (c->entry == ID_INDEX_NONE && id_index_full(l->index)) ||
	    (new_book && l->book_count == l->conf.accounts_max))
		return CODE_OVERLOADED;
	return CODE_NONE;
}

/* A system account that is not there yet is made, open and empty. */
static enum code
prepare_books(const struct ledger *l, const struct transfer *t)
{
	uint32_t ends[2] = {ledger_book_find(l, text_of(t->from)),
	    ledger_book_find(l, text_of(t->to))};
	const char *names[2] = {t->from, t->to};
	enum code limits;

	for (int i = 0; i < 2; i++)
		if (ends[i] == BOOK_NONE && names[i][0] != ':')
			return CODE_NO_SUCH_ACCOUNT;
	for (int i = 0; i < 2; i++)
		if (ends[i] != BOOK_NONE &&
		    l->books[ends[i]].state == ACCOUNT_CLOSED)
			return CODE_ACCOUNT_CLOSED;
	for (int i = 0; i < 2; i++)
		if (ends[i] != BOOK_NONE &&
		    l->books[ends[i]].state == ACCOUNT_FROZEN)
			return CODE_ACCOUNT_FROZEN;
	for (int i = 0; i < 2; i++)
		if (ends[i] != BOOK_NONE &&
		    l->books[ends[i]].currency != t->currency)
			return CODE_CURRENCY_MISMATCH;
	if (ends[0] != BOOK_NONE &&
	    !ledger_book_has_funds(&l->books[ends[0]], t->amount))
		return CODE_INSUFFICIENT_FUNDS;
	limits = ledger_book_limits(l, ends[0], ends[1], t->amount);
	return limits;
}

/* The id is new, or was aborted at current.entry: may it be prepared? */
static void
prepare_fresh(struct ledger *l, struct actions *out)
{
	struct current *c = &l->current;
	enum code code;
	struct msg *m;

	if (!prepare_is_sane(l, out))
		return;
	code = prepare_room(l);
	if (code == CODE_NONE)
		code = prepare_books(l, &c->t);
	if (code != CODE_NONE) {
		m = ledger_reply_error(l, out, code, code_words(code));
		msg_set_id(m, KEY_id, &c->t.id);
		return;
	}
	m = ledger_append(l, out, VERB_BANK_JOURNAL_PREPARED, vote_recorded);
	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_branch(m, KEY_branch, ledger_transfer_branch(&c->t));
	msg_set_str(m, KEY_from, text_of(c->t.from));
	msg_set_str(m, KEY_to, text_of(c->t.to));
	msg_set_i64(m, KEY_amount, c->t.amount);
	msg_set_u64(m, KEY_currency, c->t.currency);
	msg_set_str(m, KEY_peer, text_of(c->t.peer));
	msg_set_str(m, KEY_memo, text_of(c->t.memo));
	if (c->entry != ID_INDEX_NONE)
		msg_set_jpos(m, KEY_again, id_index_pos(l->index, c->entry));
}

/*
 * The branch was ended before: is the payload of its PREPARED or COMMITTED what
 * this PREPARE says? A COMMITTED that was posted late may name other accounts,
 * so its chain is read back to the PREPARED.
 */
static void
prepare_compare(
    struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;
	struct branch wanted = ledger_transfer_branch(&c->t);
	struct transfer old;
	struct branch branch;
	struct msg *m;
	bool same;

	if (record == NULL || ++c->chain > CHAIN_MAX) {
		ledger_reply_error(l, out, CODE_INTERNAL,
		    "an earlier record of this id cannot be read");
		return;
	}
	if (msg_has(record->msg, again) &&
	    record->msg->verb == VERB_BANK_JOURNAL_COMMITTED) {
		ledger_read_at(
		    l, out, record->msg->v[KEY_again].jpos, prepare_compare);
		return;
	}
	if (record->msg->verb == VERB_BANK_JOURNAL_ABORTED) {
		if (msg_has(record->msg, prepared))
			ledger_read_at(l, out,
			    record->msg->v[KEY_prepared].jpos, prepare_compare);
		else
			ledger_reply_error(
			    l, out, CODE_NOT_FOUND, "the branch was aborted");
		return;
	}
	ledger_transfer_read(&old, record->msg);
	same = ledger_transfer_same_payload(&old, &c->t);
	branch = ledger_transfer_branch(&old);
	if (is_record_branch(record, &c->t) && !same) {
		prepare_changed(l, out);
		return;
	}
	if (id_index_state(l->index, c->entry) == REMEMBERED_ABORTED ||
	    id_index_state(l->index, c->entry) == REMEMBERED_OVER_ABORT) {
		ledger_reply_error(
		    l, out, CODE_NOT_FOUND, "the branch was aborted");
		return;
	}
	if (str_eq(branch.node, wanted.node) &&
	    branch_older(&wanted, &branch)) {
		ledger_reply_error(l, out, CODE_NOT_FOUND,
		    "a newer branch of this id was seen");
		return;
	}
	if (!same) {
		ledger_reply_error(l, out, CODE_ID_REUSED,
		    "the id belongs to another payment");
		return;
	}
	/* The branch is copied: the answer outlives what was read. */
	memcpy(c->kept_node, old.node, sizeof(old.node));
	m = ledger_reply_error(
	    l, out, CODE_ALREADY_EXISTS, "already committed");
	/* Another gateway's client is told so: it must stay true. */
	out->at[out->count - 1].after_seq = ledger_after(l, c->seq);
	branch.node = text_of(c->kept_node);
	msg_set_id(m, KEY_id, &c->t.id);
	msg_set_branch(m, KEY_branch, branch);
	/* Its gateway decided nothing of the kind, or it was not told yet. */
	if (id_index_state(l->index, c->entry) == REMEMBERED_OVER_COMMIT)
		msg_set_str(m, KEY_outcome, STR("committed"));
}

/*
 * The id was aborted, perhaps more than once, perhaps for several gateways.
 * Branches of one node only ever go up, so the newest record of this node
 * tells; it is nearly always the first that is read.
 */
static void
prepare_aborted(
    struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;
	struct branch wanted = ledger_transfer_branch(&c->t);
	const struct msg *m;

	if (record == NULL || ++c->chain > CHAIN_MAX) {
		ledger_reply_error(l, out, CODE_OVERLOADED,
		    "too many earlier attempts at this id");
		return;
	}
	m = record->msg;
	if (!msg_has(m, branch)) {
		ledger_reply_error(l, out, CODE_INTERNAL,
		    "an earlier record of this id is of another kind");
		return;
	}
	if (str_eq(m->v[KEY_branch].branch.node, wanted.node)) {
		if (branch_eq(&m->v[KEY_branch].branch, &wanted))
			prepare_compare(l, record, out);
		else if (branch_older(&wanted, &m->v[KEY_branch].branch))
			ledger_reply_error(l, out, CODE_NOT_FOUND,
			    "a newer branch of this id was seen");
		else
			prepare_fresh(l, out);
		return;
	}
	if (msg_has(m, prepared))
		ledger_read_at(
		    l, out, m->v[KEY_prepared].jpos, prepare_aborted);
	else if (msg_has(m, again))
		ledger_read_at(l, out, m->v[KEY_again].jpos, prepare_aborted);
	else
		prepare_fresh(l, out);
}

static bool
is_own_record(const struct ledger *l, const struct record *record)
{
	return msg_has(record->msg, branch) &&
	    str_is(record->msg->v[KEY_branch].branch.node, l->current.t.node);
}

/*
 * An operator guessed; the branch's own gateway may know that it was right,
 * another one may not, and the payment may have gone the other way.
 */
static void
prepare_guessed(struct ledger *l, struct actions *out)
{
	ledger_reply_error(l, out, CODE_IN_PROGRESS,
	    "another gateway's branch was ended by an operator");
}

static void
prepare_found(
    struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;
	enum remembered state;

	if (record == NULL) {
		prepare_fresh(l, out);
		return;
	}
	state = id_index_state(l->index, c->entry);
	/* A prepared one would have been found in memory. */
	CHECK(state != REMEMBERED_PREPARED);
	switch (state) {
	case REMEMBERED_PREPARED:
		break;
	case REMEMBERED_ENTRY:
		ledger_reply_error(l, out, CODE_ID_REUSED,
		    "the id belongs to an entry of the bank's own");
		break;
	case REMEMBERED_COMMITTED:
		prepare_compare(l, record, out);
		break;
	case REMEMBERED_OVER_COMMIT:
		if (is_own_record(l, record))
			prepare_compare(l, record, out);
		else
			prepare_guessed(l, out);
		break;
	case REMEMBERED_ABORTED:
		prepare_aborted(l, record, out);
		break;
	case REMEMBERED_OVER_ABORT:
		if (is_own_record(l, record))
			prepare_aborted(l, record, out);
		else
			prepare_guessed(l, out);
		break;
	}
}

/* The older branch is aborted; its record is now the id's newest. */
static void
prepare_superseded(struct ledger *l, struct actions *out)
{
	prepare_fresh(l, out);
}

static bool
slot_same_payload(const struct ledger *l, const struct branch_slot *b,
    const struct transfer *t)
{
	return b->amount == t->amount &&
	    l->books[b->from].currency == t->currency &&
	    strcmp(l->books[b->from].name, t->from) == 0 &&
	    strcmp(l->books[b->to].name, t->to) == 0 &&
	    strcmp(b->peer, t->peer) == 0 && strcmp(b->memo, t->memo) == 0;
}

static void
prepare_again(
    struct ledger *l, const struct branch_slot *b, struct actions *out)
{
	struct current *c = &l->current;
	struct branch seen = ledger_slot_branch(l, b),
		      wanted = ledger_transfer_branch(&c->t);

	if (b->gateway != c->gateway) {
		ledger_reply_error(l, out, CODE_IN_PROGRESS,
		    "another gateway has prepared this id");
	} else if (is_branch(b, &c->t)) {
		if (slot_same_payload(l, b, &c->t))
			vote_yes(l, out, b->seq, &b->check);
		else
			prepare_changed(l, out);
	} else if (branch_older(&wanted, &seen)) {
		ledger_reply_error(l, out, CODE_NOT_FOUND,
		    "a newer branch of this id was seen");
	} else if (prepare_is_sane(l, out)) {
		c->entry = b->entry;
		ledger_branch_append_aborted(l, out, b, prepare_superseded);
	}
}

void
ledger_branches_prepare(
    struct ledger *l, const struct event *event, struct actions *out)
{
	const struct branch_slot *b;

	if (!begin(l, event, out))
		return;
	b = ledger_branch_of_id(l, &l->current.t.id);
	if (b != NULL)
		prepare_again(l, b, out);
	else
		ledger_lookup(l, out, prepare_found);
}

/* ---- COMMIT ---- */

static void
commit_ack(struct ledger *l, struct actions *out)
{
	struct current *c = &l->current;
	struct msg *m = ledger_reply(l, out, MSG_OK, c->seq);

	/* No client waits for it, so it may share a later flush. */
	out->at[out->count - 1].patient = true;
	reply_branch(l, m);
	msg_set_u64(m, KEY_seq, c->seq);
	msg_set_check(m, KEY_check, &c->check);
}

static void
commit_not_found(struct ledger *l, struct actions *out)
{
	ledger_say(out, ACTION_WARN, &l->current.t.id,
	    "gateway %s commits a branch that is not prepared here",
	    l->current.t.node);
	ledger_reply_error(
	    l, out, CODE_NOT_FOUND, "no such branch is prepared");
}

/* The answer is the COMMITTED record, not the GATEWAY just appended. */
static void
commit_heard(struct ledger *l, struct actions *out)
{
	l->current.seq = l->current.kept_seq;
	l->current.check = l->current.kept_check;
	commit_ack(l, out);
}

/*
 * The decision was heard of through RESOLVE, or an operator took it: the
 * gateway's record that this COMMIT names may still be news.
 */
static void
commit_repeated(struct ledger *l, struct actions *out)
{
	struct current *c = &l->current;
	const struct gateway *g = &l->gateways[c->gateway];
	const struct branch_slot *b =
	    ledger_branch_of(l, c->gateway, c->t.epoch, c->t.counter);
	struct msg *m;

	c->kept_seq = c->seq;
	c->kept_check = c->check;
	/* The operator was right; the reserve is for what is prepared. */
	if (b != NULL && b->overruled && l->room) {
		ledger_branch_append_settled(l, out, b, commit_heard);
		return;
	}
	if (c->proof_seq <= g->seq) {
		commit_ack(l, out);
		return;
	}
	m = ledger_append(l, out, VERB_BANK_JOURNAL_GATEWAY, commit_heard);
	msg_set_str(m, KEY_node, text_of(g->node));
	msg_set_u64(m, KEY_epoch, g->epoch);
	msg_set_u64(m, KEY_gateway_seq, c->proof_seq);
	msg_set_check(m, KEY_gateway_check, &c->proof_check);
}

static void
reply_heuristic(struct ledger *l, struct actions *out, const char *outcome)
{
	struct msg *m;

	ledger_say(out, ACTION_CRIT, &l->current.t.id,
	    "an operator's decision (%s) is not what gateway %s decided%s",
	    outcome, l->current.t.node,
	    strcmp(outcome, "aborted") == 0 ? ": see strife-teller post-late"
					    : "");
	m = ledger_reply_error(l, out, CODE_HEURISTIC,
	    "an operator of the bank decided otherwise");
	/* The gateway writes it down, so a crash must not undo it. */
	out->at[out->count - 1].after_seq = ledger_after(l, l->current.seq);
	msg_set_id(m, KEY_id, &l->current.t.id);
	msg_set_str(m, KEY_outcome, text_of(outcome));
}

static void
commit_found(struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;

	if (record == NULL || !is_record_branch(record, &c->t)) {
		commit_not_found(l, out);
		return;
	}
	switch ((enum remembered)id_index_state(l->index, c->entry)) {
	case REMEMBERED_COMMITTED:
	case REMEMBERED_OVER_COMMIT:
		commit_repeated(l, out);
		break;
	case REMEMBERED_OVER_ABORT:
		reply_heuristic(l, out, "aborted");
		break;
	case REMEMBERED_PREPARED:
	case REMEMBERED_ABORTED:
	case REMEMBERED_ENTRY:
		commit_not_found(l, out);
		break;
	}
}

void
ledger_branches_commit(
    struct ledger *l, const struct event *event, struct actions *out)
{
	struct current *c = &l->current;
	const struct branch_slot *b;

	if (!begin(l, event, out))
		return;
	c->proof_seq = event->msg->v[KEY_seq].u64;
	c->proof_check = event->msg->v[KEY_check].check;
	b = ledger_branch_of_id(l, &c->t.id);
	if (b == NULL)
		ledger_lookup(l, out, commit_found);
	else if (b->gateway == c->gateway && is_branch(b, &c->t))
		ledger_branch_append_committed(l, out, b, commit_ack);
	else
		commit_not_found(l, out);
}

/* ---- ABORT ---- */

/* Presumed abort: nothing need be durable. */
static void
abort_ok(struct ledger *l, struct actions *out)
{
	reply_branch(l, ledger_reply(l, out, MSG_OK, 0));
}

static void
abort_found(struct ledger *l, const struct record *record, struct actions *out)
{
	struct current *c = &l->current;

	if (record == NULL || !is_record_branch(record, &c->t)) {
		abort_ok(l, out);
		return;
	}
	switch ((enum remembered)id_index_state(l->index, c->entry)) {
	case REMEMBERED_COMMITTED:
		ledger_reply_error(
		    l, out, CODE_NOT_FOUND, "the branch is committed");
		break;
	case REMEMBERED_OVER_COMMIT:
		reply_heuristic(l, out, "committed");
		break;
	case REMEMBERED_PREPARED:
	case REMEMBERED_ABORTED:
	case REMEMBERED_OVER_ABORT:
	case REMEMBERED_ENTRY:
		abort_ok(l, out);
		break;
	}
}

void
ledger_branches_abort(
    struct ledger *l, const struct event *event, struct actions *out)
{
	struct current *c = &l->current;
	const struct branch_slot *b;

	if (!begin(l, event, out))
		return;
	b = ledger_branch_of_id(l, &c->t.id);
	if (b == NULL)
		ledger_lookup(l, out, abort_found);
	else if (b->gateway == c->gateway && is_branch(b, &c->t))
		ledger_branch_append_aborted(l, out, b, abort_ok);
	else
		abort_ok(l, out);
}
