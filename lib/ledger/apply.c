/*
 * Records become state: the only code that changes accounts, branches and what
 * the journal knows of gateways, live and in replay alike. It answers nobody.
 * A record that does not follow from what came before is refused; in replay
 * that is a journal at fault, live it is our own mistake.
 */
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"
#include "wire/money.h"

typedef const char *apply_fn(struct ledger *, const struct record *);

static const char *
apply_nothing(struct ledger *l, const struct record *record)
{
	(void)l;
	(void)record;
	return NULL;
}

static const char *
apply_boot(struct ledger *l, const struct record *record)
{
	l->boot = record->msg->v[KEY_boot].u64;
	return NULL;
}

static const char *
apply_open(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	uint64_t overdraft = m->v[KEY_overdraft].u64;
	uint32_t index;

	if (ledger_book_find(l, m->v[KEY_account].str) != BOOK_NONE)
		return "OPEN of an account that is there";
	if (overdraft > (uint64_t)MONEY_BALANCE_MAX)
		return "OPEN with an overdraft beyond all bounds";
	index = ledger_book_add(
	    l, m->v[KEY_account].str, (uint32_t)m->v[KEY_currency].u64);
	if (index == BOOK_NONE)
		return "more accounts than are configured";
	l->books[index].overdraft = (int64_t)overdraft;
	l->books[index].touched_seq = ledger_record_seq(record);
	return NULL;
}

static const char *
apply_loaded(struct ledger *l, const struct record *record)
{
	(void)record;
	l->loaded = true;
	return NULL;
}

static const char *
apply_set(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	uint32_t index = ledger_book_find(l, m->v[KEY_account].str);
	struct book *b;

	if (index == BOOK_NONE)
		return "SET of an unknown account";
	b = &l->books[index];
	if (msg_has(m, overdraft)) {
		if (m->v[KEY_overdraft].u64 > (uint64_t)MONEY_BALANCE_MAX)
			return "SET of an overdraft beyond all bounds";
		b->overdraft = (int64_t)m->v[KEY_overdraft].u64;
	}
	if (msg_has(m, state)) {
		struct str state = m->v[KEY_state].str;

		if (str_is(state, "open"))
			b->state = ACCOUNT_OPEN;
		else if (str_is(state, "frozen"))
			b->state = ACCOUNT_FROZEN;
		else if (str_is(state, "closed"))
			b->state = ACCOUNT_CLOSED;
		else
			return "SET of an unknown state";
	}
	b->touched_seq = ledger_record_seq(record);
	return NULL;
}

/* Finds or makes both ends of a transfer. */
static const char *
ends(struct ledger *l, const struct msg *m, uint32_t *from, uint32_t *to)
{
	uint32_t currency = (uint32_t)m->v[KEY_currency].u64;

	*from = ledger_book_need(l, m->v[KEY_from].str, currency);
	*to = ledger_book_need(l, m->v[KEY_to].str, currency);
	if (*from == BOOK_NONE || *to == BOOK_NONE)
		return "a transfer of an unknown account, or more accounts "
		       "than are configured";
	if (*from == *to || l->books[*from].currency != currency ||
	    l->books[*to].currency != currency)
		return "a transfer between accounts that do not match";
	return NULL;
}

/* Posts, and proves that the record says the balances that follow. */
static const char *
post(struct ledger *l, const struct record *record, uint32_t from, uint32_t to)
{
	const struct msg *m = record->msg;
	int64_t amount = m->v[KEY_amount].i64, lowest, highest;

	if (!money_sub(l->books[from].posted, amount, &lowest) ||
	    !money_add(l->books[to].posted, amount, &highest) ||
	    m->v[KEY_from_balance].i64 != lowest ||
	    m->v[KEY_to_balance].i64 != highest)
		return "a balance does not follow from the one before";
	ledger_book_post(l, from, to, amount, record);
	return NULL;
}

static const char *
apply_entry(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	uint32_t from, to, customer;
	const char *problem = ends(l, m, &from, &to);

	if (problem == NULL && id_index_full(l->index))
		problem = "more payment ids than are configured (remembered)";
	if (problem == NULL &&
	    ledger_book_limits(l, from, to, m->v[KEY_amount].i64) != CODE_NONE)
		problem = "a balance beyond the limit";
	if (problem == NULL)
		problem = post(l, record, from, to);
	if (problem != NULL)
		return problem;
	id_index_add(l->index, &m->v[KEY_id].id, record->pos, REMEMBERED_ENTRY);
	if (str_is(m->v[KEY_kind].str, "open")) {
		customer = l->books[from].system ? to : from;
		l->books[customer].has_opening = true;
		l->books[customer].opening = customer == to
		    ? m->v[KEY_amount].i64
		    : -m->v[KEY_amount].i64;
	}
	return NULL;
}

/* A node is journalled before its first branch, but need not have been. */
static uint32_t
need_gateway(struct ledger *l, struct str node, uint64_t epoch)
{
	uint32_t index = ledger_gateway_find(l, node);

	if (index == GATEWAY_NONE)
		index = ledger_gateway_add(l, node);
	if (index != GATEWAY_NONE && l->gateways[index].epoch == 0)
		l->gateways[index].epoch = epoch;
	return index;
}

static const char *
prepared_entry(struct ledger *l, const struct record *record, uint64_t *entry)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;

	if (msg_has(m, again)) {
		*entry = id_index_find_at(l->index, id, m->v[KEY_again].jpos);
		if (*entry == ID_INDEX_NONE)
			return "PREPARED again of an id that is not known";
		id_index_set(
		    l->index, *entry, record->pos, REMEMBERED_PREPARED);
		return NULL;
	}
	if (id_index_full(l->index))
		return "more payment ids than are configured (remembered)";
	*entry = id_index_add(l->index, id, record->pos, REMEMBERED_PREPARED);
	return NULL;
}

static const char *
apply_prepared(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	struct branch_slot *b;
	struct transfer t;
	uint32_t from, to, gateway;
	uint64_t entry;
	const char *problem = ends(l, m, &from, &to);

	if (problem != NULL)
		return problem;
	ledger_transfer_read(&t, m);
	gateway = need_gateway(l, text_of(t.node), t.epoch);
	if (gateway == GATEWAY_NONE)
		return "more gateways than are configured";
	if (l->branch_count == l->conf.in_flight_max)
		return "more branches in flight than are configured";
	if (ledger_branch_of_id(l, &t.id) != NULL ||
	    ledger_branch_of(l, gateway, t.epoch, t.counter) != NULL)
		return "PREPARED of a branch or id that is prepared";
	if (ledger_book_limits(l, from, to, t.amount) != CODE_NONE)
		return "a balance beyond the limit";
	problem = prepared_entry(l, record, &entry);
	if (problem != NULL)
		return problem;
	b = ledger_branch_add(l, &t, gateway, from, to);
	b->entry = entry;
	b->seq = ledger_record_seq(record);
	b->check = record->check;
	b->pos = record->pos;
	b->time_us = m->v[KEY_time].i64;
	l->books[from].touched_seq = b->seq;
	l->books[to].touched_seq = b->seq;
	return NULL;
}

/* The prepared branch that a record is about, or NULL. */
static struct branch_slot *
branch_of_record(const struct ledger *l, const struct msg *m)
{
	struct branch_slot *b = ledger_branch_of_id(l, &m->v[KEY_id].id);
	struct branch branch;

	if (b == NULL)
		return NULL;
	branch = ledger_slot_branch(l, b);
	return branch_eq(&branch, &m->v[KEY_branch].branch) ? b : NULL;
}

static void
heard_in(struct ledger *l, const struct msg *m)
{
	uint32_t index = need_gateway(
	    l, m->v[KEY_branch].branch.node, m->v[KEY_branch].branch.epoch);

	if (index != GATEWAY_NONE && msg_has(m, gateway_seq) &&
	    msg_has(m, gateway_check))
		ledger_gateway_heard(&l->gateways[index],
		    m->v[KEY_gateway_seq].u64, &m->v[KEY_gateway_check].check);
}

/* A branch that an operator had aborted is posted late. */
static const char *
apply_late(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	uint64_t entry = ID_INDEX_NONE;
	uint32_t from, to;
	const char *problem;

	if (msg_has(m, again))
		entry = id_index_find_at(
		    l->index, &m->v[KEY_id].id, m->v[KEY_again].jpos);
	if (entry == ID_INDEX_NONE ||
	    id_index_state(l->index, entry) != REMEMBERED_OVER_ABORT)
		return "COMMITTED of a branch that is not prepared";
	problem = ends(l, m, &from, &to);
	if (problem == NULL &&
	    ledger_book_limits(l, from, to, m->v[KEY_amount].i64) != CODE_NONE)
		problem = "a balance beyond the limit";
	if (problem == NULL)
		problem = post(l, record, from, to);
	if (problem == NULL)
		id_index_set(
		    l->index, entry, record->pos, REMEMBERED_COMMITTED);
	return problem;
}

static const char *
apply_committed(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	struct branch_slot *b = branch_of_record(l, m);
	const char *problem;
	uint32_t from, to;

	if (b == NULL)
		return apply_late(l, record);
	from = b->from;
	to = b->to;
	if (!str_is(m->v[KEY_from].str, l->books[from].name) ||
	    !str_is(m->v[KEY_to].str, l->books[to].name) ||
	    m->v[KEY_amount].i64 != b->amount)
		return "COMMITTED is not what was PREPARED";
	problem = post(l, record, from, to);
	if (problem != NULL)
		return problem;
	id_index_set(l->index, b->entry, record->pos,
	    b->decided == DECIDED_COMMIT ? REMEMBERED_OVER_COMMIT
					 : REMEMBERED_COMMITTED);
	if (b->decided != DECIDED_NOT)
		l->unfinished--;
	if (b->decided == DECIDED_COMMIT)
		ledger_branch_overrule(l, b, ledger_record_seq(record));
	else
		ledger_branch_remove(l, b);
	heard_in(l, m);
	return NULL;
}

static const char *
apply_aborted(struct ledger *l, const struct record *record)
{
	struct branch_slot *b = branch_of_record(l, record->msg);
	uint64_t seq = ledger_record_seq(record);

	if (b == NULL)
		return "ABORTED of a branch that is not prepared";
	l->books[b->from].touched_seq = seq;
	l->books[b->to].touched_seq = seq;
	id_index_set(l->index, b->entry, record->pos,
	    b->decided == DECIDED_ABORT ? REMEMBERED_OVER_ABORT
					: REMEMBERED_ABORTED);
	if (b->decided != DECIDED_NOT)
		l->unfinished--;
	ledger_branch_remove(l, b);
	return NULL;
}

/* Of a branch that is not prepared it says who posts it late, and why. */
static const char *
apply_decided(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	struct branch_slot *b = branch_of_record(l, m);

	if (b == NULL)
		return NULL;
	if (b->decided == DECIDED_NOT)
		l->unfinished++;
	b->decided = str_is(m->v[KEY_outcome].str, "commit") ? DECIDED_COMMIT
							     : DECIDED_ABORT;
	return NULL;
}

/* Where the gateway had committed it too, nobody was overruled. */
static const char *
apply_settled(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	struct branch branch = m->v[KEY_branch].branch;
	uint32_t index = ledger_gateway_find(l, branch.node);
	struct branch_slot *b = index == GATEWAY_NONE
	    ? NULL
	    : ledger_branch_of(l, index, branch.epoch, branch.counter);

	if (b == NULL || !b->overruled || !id_eq(&b->id, &m->v[KEY_id].id))
		return "SETTLED of a branch that no operator has committed";
	if (str_is(m->v[KEY_outcome].str, "commit"))
		id_index_set(l->index, b->entry,
		    id_index_pos(l->index, b->entry), REMEMBERED_COMMITTED);
	ledger_branch_settle(l, b);
	heard_in(l, m);
	return NULL;
}

static const char *
apply_gateway(struct ledger *l, const struct record *record)
{
	const struct msg *m = record->msg;
	uint32_t index =
	    need_gateway(l, m->v[KEY_node].str, m->v[KEY_epoch].u64);

	if (index == GATEWAY_NONE)
		return "more gateways than are configured";
	if (m->v[KEY_epoch].u64 > l->gateways[index].epoch)
		l->gateways[index].epoch = m->v[KEY_epoch].u64;
	if (msg_has(m, gateway_seq) && msg_has(m, gateway_check))
		ledger_gateway_heard(&l->gateways[index],
		    m->v[KEY_gateway_seq].u64, &m->v[KEY_gateway_check].check);
	return NULL;
}

static apply_fn *const kinds[VERB_COUNT] = {
    [VERB_BANK_JOURNAL_SEGMENT] = apply_nothing,
    [VERB_BANK_JOURNAL_BOOT] = apply_boot,
    [VERB_BANK_JOURNAL_OPEN] = apply_open,
    [VERB_BANK_JOURNAL_ENTRY] = apply_entry,
    [VERB_BANK_JOURNAL_LOADED] = apply_loaded,
    [VERB_BANK_JOURNAL_SET] = apply_set,
    [VERB_BANK_JOURNAL_PREPARED] = apply_prepared,
    [VERB_BANK_JOURNAL_COMMITTED] = apply_committed,
    [VERB_BANK_JOURNAL_ABORTED] = apply_aborted,
    [VERB_BANK_JOURNAL_DECIDED] = apply_decided,
    [VERB_BANK_JOURNAL_SETTLED] = apply_settled,
    [VERB_BANK_JOURNAL_GATEWAY] = apply_gateway,
};

const char *
ledger_apply(struct ledger *l, const struct record *record)
{
	apply_fn *fn = kinds[record->msg->verb];
	const char *problem;

	if (fn == NULL)
		return "a record of another kind of journal";
	problem = fn(l, record);
	if (problem == NULL)
		l->last_seq = ledger_record_seq(record);
	return problem;
}
