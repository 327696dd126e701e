/* The live state as text, and what must always be true of it. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"
#include "wire/money.h"

/* ---- The dump ---- */

void
ledger_dump(
    const struct ledger *l, void (*row)(void *ctx, const char *text), void *ctx)
{
	struct msg_reader reader = {row, ctx};
	char text[64];

	snprintf(text, sizeof(text), "remembered=%llu",
	    (unsigned long long)id_index_count(l->index));
	row(ctx, text);
	CHECK(ledger_snapshot(l, msg_read_out, &reader));
}

/* ---- Invariants ---- */

int64_t
ledger_sum(const struct ledger *l, uint32_t currency)
{
	__int128 sum = 0;

	for (uint32_t i = 0; i < l->book_count; i++)
		if (l->books[i].currency == currency)
			sum += l->books[i].posted;
	CHECK(sum >= INT64_MIN && sum <= INT64_MAX);
	return (int64_t)sum;
}

static void
check_book(const struct ledger *l, uint32_t index)
{
	const struct book *b = &l->books[index];
	int64_t out = 0, in = 0;
	uint32_t holds = 0;

	for (uint32_t i = 0; i < l->slots_max; i++) {
		const struct branch_slot *s = &l->branches[i];

		if (!s->used || s->overruled)
			continue;
		out += s->from == index ? s->amount : 0;
		in += s->to == index ? s->amount : 0;
		holds += s->from == index || s->to == index ? 1 : 0;
	}
	CHECK(b->held_out == out && b->held_in == in && b->holds == holds);
	CHECK(b->posted - out >= -MONEY_BALANCE_MAX);
	CHECK(b->posted + in <= MONEY_BALANCE_MAX);
	CHECK(b->overdraft >= 0 && b->overdraft <= MONEY_BALANCE_MAX);
	CHECK(b->state != ACCOUNT_CLOSED || (b->posted == 0 && holds == 0));
	CHECK(b->system == (b->name[0] == ':'));
	CHECK(ledger_book_find(l, text_of(b->name)) == index);
	CHECK(ledger_sum(l, b->currency) == 0);
}

static void
check_branch(const struct ledger *l, const struct branch_slot *b)
{
	struct jpos pos = id_index_pos(l->index, b->entry);

	CHECK(ledger_branch_of(l, b->gateway, b->epoch, b->counter) == b);
	if (b->overruled) {
		CHECK(b->decided == DECIDED_COMMIT);
		CHECK(id_index_state(l->index, b->entry) ==
		    REMEMBERED_OVER_COMMIT);
		return;
	}
	CHECK(b->from != b->to && b->amount > 0);
	CHECK(l->books[b->from].currency == l->books[b->to].currency);
	CHECK(ledger_branch_of_id(l, &b->id) == b);
	CHECK(id_index_state(l->index, b->entry) == REMEMBERED_PREPARED);
	CHECK(pos.segment == b->pos.segment && pos.offset == b->pos.offset);
}

static uint32_t
check_gateway(const struct gateway *g)
{
	const struct branch_slot *b;
	int64_t last_ns = INT64_MIN;
	uint32_t count = 0;

	CHECK(g->link == LINK_DOWN || g->epoch > 0);
	TAILQ_FOREACH (b, &g->ask, link) {
		CHECK(b->used && !b->asked);
		CHECK(g->link != LINK_UP || b->ask_ns >= last_ns);
		last_ns = b->ask_ns;
		count++;
	}
	TAILQ_FOREACH (b, &g->asked, link) {
		CHECK(b->used && b->asked && g->link == LINK_UP);
		count++;
	}
	return count;
}

void
ledger_check(const struct ledger *l)
{
	uint32_t used = 0, listed = 0, queries = 0, unfinished = 0, prepared;

	for (uint32_t i = 0; i < l->book_count; i++)
		check_book(l, i);
	for (uint32_t i = 0; i < l->slots_max; i++) {
		const struct branch_slot *b = &l->branches[i];

		if (!b->used)
			continue;
		check_branch(l, b);
		unfinished +=
		    b->decided != DECIDED_NOT && !b->overruled ? 1 : 0;
		used++;
	}
	for (uint32_t i = 0; i < l->gateway_count; i++)
		listed += check_gateway(&l->gateways[i]);
	for (uint32_t i = 0; i < l->conf.queries_max; i++)
		queries += l->queries[i].kind != QUERY_FREE ? 1 : 0;
	prepared = used - l->overruled_count;
	CHECK(l->overruled_count <= OVERRULED_MAX && listed == used);
	CHECK(prepared == l->branch_count);
	CHECK(unfinished == l->unfinished && queries == l->query_count);
	CHECK(l->books_by_name.count == l->book_count);
	CHECK(l->branches_by_id.count == prepared);
	CHECK(l->branches_by_branch.count == used);
}
