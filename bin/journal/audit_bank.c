/*
 * A bank's records: the life of each branch (PROTOCOL.md section 4, "Rules of
 * the bank"), and what the bank knows of its gateways.
 */
#include <string.h>

#include "audit.h"

/* ---- Branches ---- */

static struct node *
node_need(struct audit *a, uint32_t source, struct str text, uint32_t *number)
{
	struct node wanted = {.key = {source, name_need(a, text)}}, *n;
	bool is_new;

	*number = pool_need(&a->nodes, &wanted.key, &is_new);
	n = pool_at(&a->nodes, *number);
	if (is_new)
		n->gateway = gateway_find(a, wanted.key.name);
	return n;
}

static uint32_t
branch_find(
    const struct audit *a, uint32_t source, const struct msg *m, uint32_t node)
{
	const struct branch *branch = &m->v[KEY_branch].branch;
	struct branch_at wanted = {
	    .key = {source, node, branch->epoch, branch->counter}};

	return pool_find(&a->branches, &wanted.key);
}

/* Does the branch fit its id? Older ones, ended ones and others' do not. */
static void
check_turn(struct audit *a, const struct where *at, const struct msg *m,
    const struct entry *e)
{
	const struct branch *branch = &m->v[KEY_branch].branch;
	const struct id *id = &m->v[KEY_id].id;
	const struct branch_at *before;

	if (e->own)
		fault(
		    a, at, id, "the id belongs to an entry of the bank's own");
	if (e->committed != NONE)
		fault(
		    a, at, id, "it is prepared again, though it is committed");
	if (e->newest == NONE)
		return;
	before = branch_at(a, e->newest);
	if (before->state == BRANCH_PREPARED)
		fault(a, at, id,
		    "it is prepared twice: the branch before is not ended");
	if (str_is(branch->node, name_text(a, before->key.node)) &&
	    (branch->epoch < before->key.epoch ||
		(branch->epoch == before->key.epoch &&
		    branch->counter < before->key.counter)))
		fault(a, at, id, "a newer branch of it was seen before");
}

/* One end a customer's, the other a customer's or the peer's bank's clearing.
 */
static void
check_ends(struct audit *a, const struct where *at, const struct branch_at *b)
{
	const struct page *from = account_at(a, b->from);
	const struct page *to = account_at(a, b->to);
	const struct page *system = from->system ? from : to;
	const struct id *id =
	    &((struct entry *)pool_at(&a->entries, b->entry))->key.id;

	if (from->system && to->system)
		fault(a, at, id, "no end of it is a customer's");
	else if (system->system &&
	    (system->clearing == NONE || system->clearing != b->peer_bank ||
		system->clearing == a->sources[at->source].name))
		fault(a, at, id,
		    "%s is not the clearing account of the peer's bank",
		    name_text(a, system->key.name));
}

static void
check_epoch(struct audit *a, const struct where *at, const struct msg *m,
    struct node *n)
{
	uint64_t epoch = m->v[KEY_branch].branch.epoch;

	if (epoch < n->epoch)
		fault(a, at, &m->v[KEY_id].id,
		    "it is prepared for epoch %llu of %s, which was at %llu",
		    (unsigned long long)epoch, name_text(a, n->key.name),
		    (unsigned long long)n->epoch);
	else
		n->epoch = epoch;
}

static void
peer_read(struct audit *a, struct branch_at *b, struct str peer)
{
	struct account account;

	b->peer = b->peer_bank = NONE;
	if (account_parse(&account, peer)) {
		b->peer = name_need(a, account.name);
		b->peer_bank = name_need(a, account.bank);
	}
}

/* NONE: there is such a branch. */
static uint32_t
branch_add(
    struct audit *a, const struct where *at, const struct msg *m, uint32_t node)
{
	const struct branch *branch = &m->v[KEY_branch].branch;
	struct branch_at wanted = {
	    .key = {at->source, node, branch->epoch, branch->counter}};
	uint32_t number;
	bool is_new;

	number = pool_need(&a->branches, &wanted.key, &is_new);
	if (is_new)
		return number;
	fault(a, at, &m->v[KEY_id].id, "its branch was used before");
	return NONE;
}

static void
on_prepared(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	uint32_t end[2], number, node, branch;
	struct branch_at *b;
	struct entry *e;
	bool is_new;

	if (!books_ends(a, &at, m, end))
		return;
	check_epoch(a, &at, m,
	    node_need(a, source, m->v[KEY_branch].branch.node, &node));
	e = entry_need(a, source, id, &number, &is_new);
	check_turn(a, &at, m, e);
	branch =
	    branch_add(a, &at, m, name_need(a, m->v[KEY_branch].branch.node));
	if (branch == NONE)
		return;
	e->newest = branch;
	b = branch_at(a, branch);
	b->entry = number;
	b->from = b->posted_from = end[0];
	b->to = b->posted_to = end[1];
	b->amount = m->v[KEY_amount].i64;
	b->memo = memo_hash(a, m);
	b->prepared_seq = record->pos.seq;
	b->prepared = record->pos;
	b->where = at;
	b->time_us = m->v[KEY_time].i64;
	peer_read(a, b, m->v[KEY_peer].str);
	check_ends(a, &at, b);
	books_state(a, &at, id, end);
	books_promise(a, &at, id, end, b->amount);
	books_hold(a, b, 1);
	a->proven[PROVEN_VOTES]++;
	cross_prepared(a, branch, record);
}

/* The branch that a record ends, or NULL where there is none to end. */
static struct branch_at *
branch_to_end(struct audit *a, const struct where *at, const struct msg *m,
    uint32_t *number, const char *what)
{
	const struct id *id = &m->v[KEY_id].id;
	const struct branch_at *b;

	*number = branch_find(
	    a, at->source, m, name_need(a, m->v[KEY_branch].branch.node));
	if (*number == NONE) {
		fault(
		    a, at, id, "a branch is %s that was never prepared", what);
		return NULL;
	}
	b = branch_at(a, *number);
	if (!id_eq(&((struct entry *)pool_at(&a->entries, b->entry))->key.id,
		id)) {
		fault(a, at, id, "a branch is %s that belongs to another id",
		    what);
		return NULL;
	}
	return branch_at(a, *number);
}

/* An operator's abort is posted late: then other accounts may stand in. */
static bool
may_post_late(const struct branch_at *b)
{
	return b->state == BRANCH_ABORTED && b->decided == OUTCOME_ABORT &&
	    b->late;
}

static bool
is_suspense(const struct audit *a, uint32_t account)
{
	return strncmp(name_text(a, account_at(a, account)->key.name),
		   ":suspense.", 10) == 0;
}

static void
check_committed(struct audit *a, const struct where *at, const struct msg *m,
    const struct branch_at *b, const uint32_t end[2])
{
	const struct id *id = &m->v[KEY_id].id;
	struct branch_at said;
	bool ends_same =
	    (end[0] == b->from || (b->late && is_suspense(a, end[0]))) &&
	    (end[1] == b->to || (b->late && is_suspense(a, end[1])));

	peer_read(a, &said, m->v[KEY_peer].str);
	if (!ends_same || m->v[KEY_amount].i64 != b->amount ||
	    said.peer != b->peer || said.peer_bank != b->peer_bank ||
	    memo_hash(a, m) != b->memo)
		fault(a, at, id,
		    "what is committed is not what was prepared (record %llu)",
		    (unsigned long long)b->prepared_seq);
	if (!msg_has(m, gateway_seq) && b->decided != OUTCOME_COMMIT &&
	    !b->late)
		fault(a, at, id,
		    "it is committed without a decision of the gateway or of "
		    "an operator");
	if (b->state == BRANCH_PREPARED && b->decided == OUTCOME_ABORT)
		fault(a, at, id,
		    "it is committed, though an operator decided to abort it");
}

static void
on_committed(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct entry *e = entry_find(a, source, id);
	uint32_t end[2], number;
	struct branch_at *b;

	if (e != NULL && e->committed != NONE) {
		fault(a, &at, id,
		    "it moves money twice: it was committed by record %llu",
		    (unsigned long long)branch_at(a, e->committed)->where.seq);
		return;
	}
	if (!books_ends(a, &at, m, end))
		return;
	b = branch_to_end(a, &at, m, &number, "committed");
	if (b == NULL)
		return;
	if (b->state == BRANCH_ABORTED && !may_post_late(b))
		fault(a, &at, id,
		    "its branch is ended twice: it was aborted by record %llu",
		    (unsigned long long)b->where.seq);
	check_committed(a, &at, m, b, end);
	if (b->state == BRANCH_PREPARED)
		books_hold(a, b, -1);
	else
		books_promise(a, &at, id, end, b->amount);
	books_post(a, &at, m, end);
	b->posted_from = end[0];
	b->posted_to = end[1];
	b->state = BRANCH_COMMITTED;
	b->where = at;
	b->time_us = m->v[KEY_time].i64;
	b->gateway_seq =
	    msg_has(m, gateway_seq) ? m->v[KEY_gateway_seq].u64 : 0;
	e = pool_at(&a->entries, b->entry);
	e->committed = number;
	cross_committed(a, number, record);
}

static void
on_aborted(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct branch_at *b;
	uint32_t number;

	b = branch_to_end(a, &at, m, &number, "aborted");
	if (b == NULL)
		return;
	if (b->state != BRANCH_PREPARED) {
		fault(a, &at, id,
		    "its branch is ended twice: it was %s by record %llu",
		    b->state == BRANCH_COMMITTED ? "committed" : "aborted",
		    (unsigned long long)b->where.seq);
		return;
	}
	if (msg_has(m, prepared) &&
	    (m->v[KEY_prepared].jpos.segment != b->prepared.segment ||
		m->v[KEY_prepared].jpos.offset != b->prepared.offset))
		fault(a, &at, id, "prepared= is not where its PREPARED lies");
	if (b->decided == OUTCOME_COMMIT)
		fault(a, &at, id,
		    "it is aborted, though an operator decided to commit it");
	books_hold(a, b, -1);
	b->state = BRANCH_ABORTED;
	b->where = at;
	b->time_us = m->v[KEY_time].i64;
}

static void
on_decided(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct str outcome = m->v[KEY_outcome].str;
	bool commit = str_is(outcome, "commit");
	struct decision *d;
	struct branch_at *b;
	uint32_t number;

	b = branch_to_end(a, &at, m, &number, "decided");
	if (b == NULL)
		return;
	if (!commit && !str_is(outcome, "abort")) {
		fault(a, &at, id, "an operator decides %.*s", STR_ARG(outcome));
		return;
	}
	if (b->state == BRANCH_ABORTED && b->decided == OUTCOME_ABORT && commit)
		b->late = true;
	else if (b->state != BRANCH_PREPARED) {
		fault(a, &at, id,
		    "an operator decides on a branch that has ended");
		return;
	}
	if (b->state == BRANCH_PREPARED && b->decided != OUTCOME_NONE)
		fault(a, &at, id, "an operator decides on it twice");
	if (b->state == BRANCH_PREPARED)
		b->decided = commit ? OUTCOME_COMMIT : OUTCOME_ABORT;
	d = array_add((void **)&a->decisions, &a->decision_count,
	    &a->decision_room, sizeof(*d));
	d->branch = number;
	d->outcome = commit ? OUTCOME_COMMIT : OUTCOME_ABORT;
	d->late = b->late;
	d->who = text_keep(m->v[KEY_who].str);
	d->why = text_keep(m->v[KEY_why].str);
	d->where = at;
	d->time_us = m->v[KEY_time].i64;
}

/* What an operator committed, and its gateway has on record. */
static void
on_settled(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct branch_at *b;
	uint32_t number, node;

	b = branch_to_end(a, &at, m, &number, "settled");
	if (b == NULL)
		return;
	if (b->state != BRANCH_COMMITTED || b->decided != OUTCOME_COMMIT ||
	    b->settled)
		fault(a, &at, id,
		    b->settled ? "it is settled twice"
			       : "it is settled, though no operator has "
				 "committed it");
	b->settled = true;
	(void)node_need(a, source, m->v[KEY_branch].branch.node, &node);
	cross_settled(a, number, node, record);
}

/* ---- The bank and its gateways ---- */

static void
on_boot(struct audit *a, uint32_t source, const struct record *record)
{
	struct where at = where_of(source, record);
	struct source *s = &a->sources[source];
	uint64_t boot = record->msg->v[KEY_boot].u64;

	if (boot <= s->boot)
		fault(a, &at, NULL, "boot %llu does not come after boot %llu",
		    (unsigned long long)boot, (unsigned long long)s->boot);
	s->boot = boot;
}

static void
on_gateway(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct where at = where_of(source, record);
	uint64_t epoch = m->v[KEY_epoch].u64;
	uint32_t number;
	struct node *n = node_need(a, source, m->v[KEY_node].str, &number);

	if (epoch < n->epoch)
		fault(a, &at, NULL,
		    "epoch %llu of %s comes after its epoch %llu",
		    (unsigned long long)epoch, name_text(a, n->key.name),
		    (unsigned long long)n->epoch);
	else
		n->epoch = epoch;
	cross_epoch(a, source, number, record);
	if (msg_has(m, gateway_seq) && msg_has(m, gateway_check))
		cross_told(a, source, number, record);
}

void
bank_record(struct audit *a, uint32_t source, const struct record *record)
{
	switch ((unsigned)record->msg->verb) {
	case VERB_BANK_JOURNAL_BOOT:
		on_boot(a, source, record);
		break;
	case VERB_BANK_JOURNAL_OPEN:
		books_open(a, source, record);
		break;
	case VERB_BANK_JOURNAL_ENTRY:
		books_entry(a, source, record);
		break;
	case VERB_BANK_JOURNAL_LOADED:
		a->sources[source].loaded = true;
		break;
	case VERB_BANK_JOURNAL_SET:
		books_set(a, source, record);
		break;
	case VERB_BANK_JOURNAL_PREPARED:
		on_prepared(a, source, record);
		break;
	case VERB_BANK_JOURNAL_COMMITTED:
		on_committed(a, source, record);
		break;
	case VERB_BANK_JOURNAL_ABORTED:
		on_aborted(a, source, record);
		break;
	case VERB_BANK_JOURNAL_DECIDED:
		on_decided(a, source, record);
		break;
	case VERB_BANK_JOURNAL_SETTLED:
		on_settled(a, source, record);
		break;
	case VERB_BANK_JOURNAL_GATEWAY:
		on_gateway(a, source, record);
		break;
	}
	cross_claims(a, source, record);
}
