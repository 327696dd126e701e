/*
 * The bank's live state as lines, and lines as state: what a snapshot holds
 * (JOURNAL.md). It is what records have made; connections and questions under
 * way are not in it.
 */
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"
#include "wire/money.h"

static void
line_init(struct msg *m, enum verb verb)
{
	msg_init(m, MSG_REQUEST, verb, "0");
}

/* ---- Branches in the order of their records: heapsort ---- */

static bool
seq_before(const struct ledger *l, uint32_t a, uint32_t b)
{
	return l->branches[a].seq < l->branches[b].seq;
}

static void
swap(uint32_t *a, uint32_t *b)
{
	uint32_t kept = *a;

	*a = *b;
	*b = kept;
}

static void
sift(const struct ledger *l, uint32_t at, uint32_t count)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= count)
			return;
		if (child + 1 < count &&
		    seq_before(l, l->sorted[child], l->sorted[child + 1]))
			child++;
		if (!seq_before(l, l->sorted[at], l->sorted[child]))
			return;
		swap(&l->sorted[at], &l->sorted[child]);
		at = child;
	}
}

static uint32_t
sort_branches(const struct ledger *l)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < l->slots_max; i++)
		if (l->branches[i].used)
			l->sorted[count++] = i;
	for (uint32_t i = count / 2; i-- > 0;)
		sift(l, i, count);
	for (uint32_t i = count; i-- > 1;) {
		swap(&l->sorted[0], &l->sorted[i]);
		sift(l, 0, i);
	}
	return count;
}

/* ---- Writing ---- */

static bool
write_boot(const struct ledger *l, snapshot_line *line, void *ctx)
{
	struct msg m;

	line_init(&m, VERB_SNAPSHOT_BOOT);
	msg_set_u64(&m, KEY_boot, l->boot);
	msg_set_u64(&m, KEY_loaded, l->loaded ? 1 : 0);
	return line(ctx, &m);
}

static bool
write_gateway(const struct gateway *g, snapshot_line *line, void *ctx)
{
	struct msg m;

	line_init(&m, VERB_SNAPSHOT_GATEWAY);
	msg_set_str(&m, KEY_node, text_of(g->node));
	msg_set_u64(&m, KEY_epoch, g->epoch);
	if (g->seq != 0) {
		msg_set_u64(&m, KEY_gateway_seq, g->seq);
		msg_set_check(&m, KEY_gateway_check, &g->check);
	}
	return line(ctx, &m);
}

static bool
write_book(const struct book *b, snapshot_line *line, void *ctx)
{
	struct msg m;

	line_init(&m, VERB_SNAPSHOT_ACCOUNT);
	msg_set_str(&m, KEY_account, text_of(b->name));
	msg_set_u64(&m, KEY_currency, b->currency);
	msg_set_str(
	    &m, KEY_state, text_of(ledger_account_state_text(b->state)));
	msg_set_u64(&m, KEY_overdraft, (uint64_t)b->overdraft);
	msg_set_i64(&m, KEY_posted, b->posted);
	if (b->has_opening)
		msg_set_i64(&m, KEY_opening, b->opening);
	msg_set_u64(&m, KEY_seq, b->touched_seq);
	msg_set_jpos(&m, KEY_where, b->head);
	return line(ctx, &m);
}

static bool
write_branch(const struct ledger *l, const struct branch_slot *b,
    snapshot_line *line, void *ctx)
{
	struct msg m;

	line_init(&m, VERB_SNAPSHOT_BRANCH);
	msg_set_id(&m, KEY_id, &b->id);
	msg_set_branch(&m, KEY_branch, ledger_slot_branch(l, b));
	msg_set_str(
	    &m, KEY_state, b->overruled ? STR("overruled") : STR("prepared"));
	msg_set_str(&m, KEY_from, text_of(l->books[b->from].name));
	msg_set_str(&m, KEY_to, text_of(l->books[b->to].name));
	msg_set_i64(&m, KEY_amount, b->amount);
	msg_set_str(&m, KEY_peer, text_of(b->peer));
	if (b->memo[0] != '\0')
		msg_set_str(&m, KEY_memo, text_of(b->memo));
	msg_set_u64(&m, KEY_seq, b->seq);
	msg_set_check(&m, KEY_check, &b->check);
	msg_set_jpos(&m, KEY_prepared, b->pos);
	msg_set_i64(&m, KEY_time, b->time_us);
	if (b->decided != DECIDED_NOT)
		msg_set_str(&m, KEY_outcome,
		    b->decided == DECIDED_COMMIT ? STR("commit")
						 : STR("abort"));
	return line(ctx, &m);
}

bool
ledger_snapshot(const struct ledger *l, snapshot_line *line, void *ctx)
{
	uint32_t count;

	if (!write_boot(l, line, ctx))
		return false;
	for (uint32_t i = 0; i < l->gateway_count; i++)
		if (!write_gateway(&l->gateways[i], line, ctx))
			return false;
	for (uint32_t i = 0; i < l->book_count; i++)
		if (!write_book(&l->books[i], line, ctx))
			return false;
	count = sort_branches(l);
	for (uint32_t i = 0; i < count; i++)
		if (!write_branch(l, &l->branches[l->sorted[i]], line, ctx))
			return false;
	return true;
}

/* ---- Reading ---- */

typedef const char *restore_fn(struct ledger *, const struct msg *);

static const char *
restore_head(struct ledger *l, const struct msg *m)
{
	l->last_seq = m->v[KEY_seq].u64;
	return NULL;
}

static const char *
restore_boot(struct ledger *l, const struct msg *m)
{
	l->boot = m->v[KEY_boot].u64;
	l->loaded = m->v[KEY_loaded].u64 != 0;
	return NULL;
}

static const char *
restore_gateway(struct ledger *l, const struct msg *m)
{
	struct str node = m->v[KEY_node].str;
	uint32_t index;

	if (ledger_gateway_find(l, node) != GATEWAY_NONE)
		return "a gateway is there twice";
	index = ledger_gateway_add(l, node);
	if (index == GATEWAY_NONE)
		return "more gateways than are configured";
	l->gateways[index].epoch = m->v[KEY_epoch].u64;
	if (msg_has(m, gateway_seq) && msg_has(m, gateway_check))
		ledger_gateway_heard(&l->gateways[index],
		    m->v[KEY_gateway_seq].u64, &m->v[KEY_gateway_check].check);
	return NULL;
}

static bool
read_state(struct book *b, struct str text)
{
	static const enum ledger_account_state states[] = {
	    ACCOUNT_OPEN, ACCOUNT_FROZEN, ACCOUNT_CLOSED};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (str_is(text, ledger_account_state_text(states[i]))) {
			b->state = states[i];
			return true;
		}
	return false;
}

static const char *
restore_account(struct ledger *l, const struct msg *m)
{
	struct str name = m->v[KEY_account].str;
	uint32_t index;
	struct book *b;

	if (ledger_book_find(l, name) != BOOK_NONE)
		return "an account is there twice";
	index = ledger_book_add(l, name, (uint32_t)m->v[KEY_currency].u64);
	if (index == BOOK_NONE)
		return "more accounts than are configured";
	b = &l->books[index];
	if (!read_state(b, m->v[KEY_state].str) ||
	    m->v[KEY_overdraft].u64 > (uint64_t)MONEY_BALANCE_MAX)
		return "an account has a state or an overdraft that cannot be";
	b->overdraft = (int64_t)m->v[KEY_overdraft].u64;
	b->posted = m->v[KEY_posted].i64;
	b->has_opening = msg_has(m, opening);
	if (b->has_opening)
		b->opening = m->v[KEY_opening].i64;
	b->touched_seq = m->v[KEY_seq].u64;
	b->head = m->v[KEY_where].jpos;
	return NULL;
}

/* Its id's entry, where the notes of the indexes have left it. */
static uint64_t
entry_of(const struct ledger *l, const struct msg *m, bool overruled)
{
	const struct id *id = &m->v[KEY_id].id;

	/* The entry of one that is overruled lies at its COMMITTED. */
	return overruled
	    ? id_index_find_only(l->index, id)
	    : id_index_find_at(l->index, id, m->v[KEY_prepared].jpos);
}

/* What is overruled is posted, and holds nothing. */
static const char *
check_room(
    const struct ledger *l, const struct msg *m, uint32_t from, uint32_t to)
{
	if (ledger_book_limits(l, from, to, m->v[KEY_amount].i64) != CODE_NONE)
		return "a balance beyond the limit";
	if (l->branch_count == l->conf.in_flight_max)
		return "more branches in flight than are configured";
	return NULL;
}

static const char *
add_branch(struct ledger *l, const struct msg *m, bool overruled,
    struct branch_slot **added)
{
	struct branch branch = m->v[KEY_branch].branch;
	uint32_t from = ledger_book_find(l, m->v[KEY_from].str);
	uint32_t to = ledger_book_find(l, m->v[KEY_to].str);
	uint32_t gateway = ledger_gateway_find(l, branch.node);
	const char *problem;
	struct transfer t;

	if (from == BOOK_NONE || to == BOOK_NONE || from == to ||
	    gateway == GATEWAY_NONE)
		return "a branch of an account or a gateway that is not there";
	if (ledger_branch_of_id(l, &m->v[KEY_id].id) != NULL ||
	    ledger_branch_of(l, gateway, branch.epoch, branch.counter) != NULL)
		return "a branch is there twice";
	problem = overruled ? NULL : check_room(l, m, from, to);
	if (problem != NULL)
		return problem;
	ledger_transfer_read(&t, m);
	*added = ledger_branch_add(l, &t, gateway, from, to);
	return *added == NULL ? "too many branches" : NULL;
}

static const char *
restore_branch(struct ledger *l, const struct msg *m)
{
	bool overruled = str_is(m->v[KEY_state].str, "overruled");
	uint64_t entry = entry_of(l, m, overruled);
	struct branch_slot *b;
	const char *problem;

	if (entry == ID_INDEX_NONE)
		return "a branch of an id that the indexes do not know";
	problem = add_branch(l, m, overruled, &b);
	if (problem != NULL)
		return problem;
	b->entry = entry;
	b->seq = m->v[KEY_seq].u64;
	b->check = m->v[KEY_check].check;
	b->pos = m->v[KEY_prepared].jpos;
	b->time_us = m->v[KEY_time].i64;
	if (msg_has(m, outcome))
		b->decided = str_is(m->v[KEY_outcome].str, "commit")
		    ? DECIDED_COMMIT
		    : DECIDED_ABORT;
	if (overruled) {
		if (b->decided != DECIDED_COMMIT)
			return "an overruled branch that nobody committed";
		ledger_branch_overrule(l, b, b->seq);
		return NULL;
	}
	if (b->decided != DECIDED_NOT)
		l->unfinished++;
	id_index_set(l->index, entry, b->pos, REMEMBERED_PREPARED);
	return NULL;
}

/* More than ISO 4217 has. */
#define CURRENCIES_MAX 256

/* Each currency's balances add up to zero. */
static const char *
restore_end(struct ledger *l, const struct msg *m)
{
	struct {
		uint32_t currency;
		__int128 sum;
	} sums[CURRENCIES_MAX];
	uint32_t count = 0;

	(void)m;
	for (uint32_t i = 0; i < l->book_count; i++) {
		const struct book *b = &l->books[i];
		uint32_t s = 0;

		while (s < count && sums[s].currency != b->currency)
			s++;
		if (s == count) {
			CHECK(count < CURRENCIES_MAX);
			sums[count].currency = b->currency;
			sums[count++].sum = 0;
		}
		sums[s].sum += b->posted;
	}
	for (uint32_t s = 0; s < count; s++)
		if (sums[s].sum != 0)
			return "the balances do not add up to zero";
	return NULL;
}

static restore_fn *const kinds[VERB_COUNT] = {
    [VERB_SNAPSHOT_SNAPSHOT] = restore_head,
    [VERB_SNAPSHOT_BOOT] = restore_boot,
    [VERB_SNAPSHOT_GATEWAY] = restore_gateway,
    [VERB_SNAPSHOT_ACCOUNT] = restore_account,
    [VERB_SNAPSHOT_BRANCH] = restore_branch,
    [VERB_SNAPSHOT_END] = restore_end,
};

const char *
ledger_restore(struct ledger *l, const struct msg *m)
{
	if (kinds[m->verb] == NULL)
		return "a line that is not of a bank";
	return kinds[m->verb](l, m);
}
