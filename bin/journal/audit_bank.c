/*
 * A bank's records: the books kept once more from the movements alone, and the
 * life of each branch (PROTOCOL.md section 4, "Rules of the bank").
 *
 * posted - held_out is what an account has left when everything promised is
 * paid. It falls only by a promise (PREPARED) or a payment without one (ENTRY,
 * a late COMMITTED), each of which must leave it at or above the limit of that
 * moment. So when no promise was illegal no COMMITTED can be, whatever became
 * of the account or its limit meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

/* ---- Accounts ---- */

static struct page *
account_find(
    const struct audit *a, uint32_t source, uint32_t name, uint32_t *number)
{
	struct page wanted = {.key = {source, name}};

	*number = pool_find(&a->accounts, &wanted.key);
	return *number == NONE ? NULL : account_at(a, *number);
}

static struct page *
account_add(struct audit *a, uint32_t source, uint32_t name, uint32_t currency,
    uint32_t *number)
{
	struct page wanted = {.key = {source, name}}, *account;
	const char *text = name_text(a, name);
	static const char lead[] = ":clearing.";
	size_t len = strlen(text);
	bool is_new;

	*number = pool_need(&a->accounts, &wanted.key, &is_new);
	account = account_at(a, *number);
	account->currency = currency;
	account->system = text[0] == ':';
	account->clearing = NONE;
	if (strncmp(text, lead, sizeof(lead) - 1) == 0 &&
	    len > sizeof(lead) + 4) {
		uint32_t other = name_need(a,
		    (struct str){text + sizeof(lead) - 1,
			(uint32_t)(len - sizeof(lead) - 3)});

		account_at(a, *number)->clearing = other;
	}
	return account_at(a, *number);
}

/* Both ends of a movement. A system account begins when it is first named. */
static bool
ends(struct audit *a, const struct where *at, const struct msg *m,
    uint32_t end[2])
{
	static const enum key keys[2] = {KEY_from, KEY_to};
	uint32_t currency = (uint32_t)m->v[KEY_currency].u64;
	const struct id *id = &m->v[KEY_id].id;
	char letters[4];

	for (int i = 0; i < 2; i++) {
		struct str text = m->v[keys[i]].str;
		uint32_t name = name_need(a, text);
		const struct page *account =
		    account_find(a, at->source, name, &end[i]);

		if (account == NULL && text.at[0] != ':') {
			fault(a, at, id, "the account %.*s was never opened",
			    STR_ARG(text));
			return false;
		}
		currency_text(currency, letters);
		if (account == NULL)
			account =
			    account_add(a, at->source, name, currency, &end[i]);
		if (account->currency != currency ||
		    (account->system &&
			memcmp(text.at + text.len - 3, letters, 3) != 0)) {
			fault(a, at, id, "the account %.*s is not in %s",
			    STR_ARG(text), letters);
			return false;
		}
	}
	if (end[0] == end[1])
		fault(a, at, id, "it moves money from an account to itself");
	return end[0] != end[1];
}

static bool
in_bounds(__int128 sum)
{
	return sum <= MONEY_BALANCE_MAX && sum >= -MONEY_BALANCE_MAX;
}

/* Money is promised, or taken without a promise: may it be? */
static void
check_promise(struct audit *a, const struct where *at, const struct id *id,
    const uint32_t end[2], __int128 amount)
{
	struct page *from = account_at(a, end[0]);
	const struct page *to = account_at(a, end[1]);
	__int128 lowest = from->posted - from->held_out - amount;

	if (!from->system && lowest < -(__int128)from->overdraft)
		fault(a, at, id,
		    "%s has too little: %s posted, %s held, limit -%s, and %s "
		    "more is promised",
		    name_text(a, from->key.name),
		    money_words(from->posted, from->currency).text,
		    money_words(from->held_out, from->currency).text,
		    money_words(from->overdraft, from->currency).text,
		    money_words(amount, from->currency).text);
	if (!in_bounds(lowest) || !in_bounds(to->posted + to->held_in + amount))
		fault(a, at, id, "a balance could pass 10^18");
	from->floor = from->overdraft;
	from->has_floor = true;
}

static void
check_state(struct audit *a, const struct where *at, const struct id *id,
    const uint32_t end[2])
{
	for (int i = 0; i < 2; i++) {
		const struct page *account = account_at(a, end[i]);

		if (account->closed || account->frozen)
			fault(a, at, id, "the account %s is %s",
			    name_text(a, account->key.name),
			    account->closed ? "closed" : "frozen");
	}
}

/* One side of a movement: does the record say what follows? */
static void
check_side(struct audit *a, const struct where *at, const struct msg *m,
    struct page *account, bool is_from)
{
	int64_t said = m->v[is_from ? KEY_from_balance : KEY_to_balance].i64;
	struct jpos prev = m->v[is_from ? KEY_from_prev : KEY_to_prev].jpos;
	const struct id *id = &m->v[KEY_id].id;

	if (said != account->posted + account->drift) {
		fault(a, at, id,
		    "%s_balance of %s is %s, and %s follows from the "
		    "movements",
		    is_from ? "from" : "to", name_text(a, account->key.name),
		    money_words(said, account->currency).text,
		    money_words(
			account->posted + account->drift, account->currency)
			.text);
		/* Told once: what follows builds on what was said. */
		account->drift = said - account->posted;
	}
	if (prev.segment != account->head.segment ||
	    prev.offset != account->head.offset)
		fault(a, at, id,
		    "%s_prev is not where the movement of %s before this one "
		    "lies",
		    is_from ? "from" : "to", name_text(a, account->key.name));
	account->head = (struct jpos){0, at->segment, at->offset};
}

static void
post(struct audit *a, const struct where *at, const struct msg *m,
    const uint32_t end[2])
{
	struct page *from = account_at(a, end[0]);
	struct page *to = account_at(a, end[1]);
	int64_t amount = m->v[KEY_amount].i64;

	from->posted -= amount;
	to->posted += amount;
	check_side(a, at, m, from, true);
	check_side(a, at, m, to, false);
	if (!from->system && from->has_floor &&
	    from->posted < -(__int128)from->floor)
		fault(a, at, &m->v[KEY_id].id,
		    "%s is at %s, below the limit that it had: -%s",
		    name_text(a, from->key.name),
		    money_words(from->posted, from->currency).text,
		    money_words(from->floor, from->currency).text);
	a->proven[PROVEN_MOVEMENTS]++;
}

static void
on_open(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct where at = where_of(source, record);
	uint32_t name = name_need(a, m->v[KEY_account].str), number;
	struct page *account;

	if (account_find(a, source, name, &number) != NULL) {
		fault(a, &at, NULL, "the account %s is opened twice",
		    name_text(a, name));
		return;
	}
	if (m->v[KEY_overdraft].u64 > (uint64_t)MONEY_BALANCE_MAX) {
		fault(a, &at, NULL, "the limit of %s passes 10^18",
		    name_text(a, name));
		return;
	}
	account = account_add(
	    a, source, name, (uint32_t)m->v[KEY_currency].u64, &number);
	account->overdraft = (int64_t)m->v[KEY_overdraft].u64;
}

static void
set_state(struct audit *a, const struct where *at, struct page *account,
    struct str state)
{
	const char *name = name_text(a, account->key.name);

	if (account->closed)
		fault(a, at, NULL, "%s was closed, and is set to %.*s", name,
		    STR_ARG(state));
	if (str_is(state, "closed") &&
	    (account->posted != 0 || account->holds != 0))
		fault(a, at, NULL, "%s is closed with %s on it, %u held", name,
		    money_words(account->posted, account->currency).text,
		    account->holds);
	if (!str_is(state, "open") && !str_is(state, "frozen") &&
	    !str_is(state, "closed"))
		fault(a, at, NULL, "%s is set to %.*s, which is no state", name,
		    STR_ARG(state));
	account->closed = str_is(state, "closed");
	account->frozen = str_is(state, "frozen");
}

static void
on_set(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct where at = where_of(source, record);
	uint32_t name = name_need(a, m->v[KEY_account].str), number;
	struct page *account = account_find(a, source, name, &number);

	if (account == NULL) {
		fault(a, &at, NULL, "the account %s was never opened",
		    name_text(a, name));
		return;
	}
	if (msg_has(m, overdraft)) {
		if (m->v[KEY_overdraft].u64 > (uint64_t)MONEY_BALANCE_MAX)
			fault(a, &at, NULL, "the limit of %s passes 10^18",
			    name_text(a, name));
		else
			account->overdraft = (int64_t)m->v[KEY_overdraft].u64;
	}
	if (msg_has(m, state))
		set_state(a, &at, account, m->v[KEY_state].str);
}

/* ---- Entries of the bank's own ---- */

static struct entry *
entry_need(struct audit *a, uint32_t source, const struct id *id,
    uint32_t *number, bool *is_new)
{
	struct entry wanted = {.key = {source, *id}}, *e;

	*number = pool_need(&a->entries, &wanted.key, is_new);
	e = pool_at(&a->entries, *number);
	if (*is_new)
		e->newest = e->committed = NONE;
	return e;
}

static void
check_entry_kind(struct audit *a, const struct where *at, const struct msg *m,
    const uint32_t end[2])
{
	struct str kind = m->v[KEY_kind].str;
	const struct id *id = &m->v[KEY_id].id;
	bool in = strncmp(m->v[KEY_from].str.at, ":equity.", 8) == 0;
	bool out = strncmp(m->v[KEY_to].str.at, ":equity.", 8) == 0;
	struct page *account = account_at(a, in ? end[1] : end[0]);

	if (in == out || account->system) {
		fault(a, at, id,
		    "an entry is between a customer and the bank's equity");
		return;
	}
	if (str_is(kind, "open")) {
		if (account->has_opening || a->sources[at->source].loaded)
			fault(a, at, id, "%s gets an opening balance %s",
			    name_text(a, account->key.name),
			    account->has_opening
				? "twice"
				: "after the opening accounts were complete");
		account->has_opening = true;
		return;
	}
	if (!str_is(kind, in ? "deposit" : "withdraw"))
		fault(a, at, id, "the entry's kind is %.*s", STR_ARG(kind));
	check_state(a, at, id, end);
	if (out)
		check_promise(a, at, id, end, m->v[KEY_amount].i64);
}

static void
on_entry(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	uint32_t end[2], number;
	struct entry *e;
	bool is_new;

	e = entry_need(a, source, id, &number, &is_new);
	if (!is_new)
		fault(a, &at, id,
		    "the id is used twice: it moved money before, "
		    "or belongs to a payment");
	e->own = true;
	if (!ends(a, &at, m, end))
		return;
	check_entry_kind(a, &at, m, end);
	post(a, &at, m, end);
}

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
hold(struct audit *a, const struct branch_at *b, int sign)
{
	struct page *from = account_at(a, b->from);
	struct page *to = account_at(a, b->to);
	__int128 amount = sign * (__int128)b->amount;

	from->held_out += amount;
	to->held_in += amount;
	from->holds += (uint32_t)sign;
	to->holds += (uint32_t)sign;
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

	if (!ends(a, &at, m, end))
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
	check_state(a, &at, id, end);
	check_promise(a, &at, id, end, b->amount);
	hold(a, b, 1);
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
	if (!ends(a, &at, m, end))
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
		hold(a, b, -1);
	else
		check_promise(a, &at, id, end, b->amount);
	post(a, &at, m, end);
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
	hold(a, b, -1);
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
		on_open(a, source, record);
		break;
	case VERB_BANK_JOURNAL_ENTRY:
		on_entry(a, source, record);
		break;
	case VERB_BANK_JOURNAL_LOADED:
		a->sources[source].loaded = true;
		break;
	case VERB_BANK_JOURNAL_SET:
		on_set(a, source, record);
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
	case VERB_BANK_JOURNAL_GATEWAY:
		on_gateway(a, source, record);
		break;
	}
	cross_claims(a, source, record);
}
