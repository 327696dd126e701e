/* The live state as text, and what must always be true of it. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/hex.h"
#include "ledger/private.h"
#include "wire/money.h"

#define ROW_MAX 1024

/* ---- Prepared branches in the order of their ids: heapsort ---- */

static bool
id_before(const struct ledger *l, uint32_t a, uint32_t b)
{
	return memcmp(l->branches[a].id.octets, l->branches[b].id.octets, 16) <
	    0;
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
		    id_before(l, l->sorted[child], l->sorted[child + 1]))
			child++;
		if (!id_before(l, l->sorted[at], l->sorted[child]))
			return;
		swap(&l->sorted[at], &l->sorted[child]);
		at = child;
	}
}

static uint32_t
sort_branches(const struct ledger *l)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < l->conf.in_flight_max; i++)
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

/* ---- The dump ---- */

static void
dump_book(const struct book *b, void (*row)(void *ctx, const char *), void *ctx)
{
	char text[ROW_MAX], currency[4];

	currency_text(b->currency, currency);
	snprintf(text, sizeof(text),
	    "account %s %s %s posted=%lld out=%lld in=%lld overdraft=%lld "
	    "opening=%d:%lld seq=%llu head=%u:%u",
	    b->name, currency, ledger_account_state_text(b->state),
	    (long long)b->posted, (long long)b->held_out, (long long)b->held_in,
	    (long long)b->overdraft, b->has_opening, (long long)b->opening,
	    (unsigned long long)b->touched_seq, b->head.segment,
	    b->head.offset);
	row(ctx, text);
}

static void
dump_branch(const struct ledger *l, const struct branch_slot *b,
    void (*row)(void *ctx, const char *), void *ctx)
{
	char text[ROW_MAX], id[ID_TEXT_LEN + 1], branch[BRANCH_TEXT_MAX + 1];
	char check[33];
	struct branch of = ledger_slot_branch(l, b);

	id_text(&b->id, id);
	branch_text(&of, branch);
	hex_write(check, b->check.octets, 16);
	check[32] = '\0';
	snprintf(text, sizeof(text),
	    "prepared %s %s from=%s to=%s amount=%lld peer=%s seq=%llu "
	    "check=%s at=%u:%u decided=%d memo=%s",
	    id, branch, l->books[b->from].name, l->books[b->to].name,
	    (long long)b->amount, b->peer, (unsigned long long)b->seq, check,
	    b->pos.segment, b->pos.offset, (int)b->decided, b->memo);
	row(ctx, text);
}

void
ledger_dump(
    const struct ledger *l, void (*row)(void *ctx, const char *text), void *ctx)
{
	char text[ROW_MAX], check[33];
	uint32_t count;

	snprintf(text, sizeof(text),
	    "ledger boot=%llu loaded=%d remembered=%llu",
	    (unsigned long long)l->boot, l->loaded,
	    (unsigned long long)id_index_count(l->index));
	row(ctx, text);
	for (uint32_t i = 0; i < l->book_count; i++)
		dump_book(&l->books[i], row, ctx);
	count = sort_branches(l);
	for (uint32_t i = 0; i < count; i++)
		dump_branch(l, &l->branches[l->sorted[i]], row, ctx);
	for (uint32_t i = 0; i < l->gateway_count; i++) {
		const struct gateway *g = &l->gateways[i];

		hex_write(check, g->check.octets, 16);
		check[32] = '\0';
		snprintf(text, sizeof(text),
		    "gateway %s epoch=%llu seq=%llu check=%s", g->node,
		    (unsigned long long)g->epoch, (unsigned long long)g->seq,
		    check);
		row(ctx, text);
	}
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

	for (uint32_t i = 0; i < l->conf.in_flight_max; i++) {
		const struct branch_slot *s = &l->branches[i];

		if (!s->used)
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

	CHECK(b->from != b->to && b->amount > 0);
	CHECK(l->books[b->from].currency == l->books[b->to].currency);
	CHECK(ledger_branch_of_id(l, &b->id) == b);
	CHECK(ledger_branch_of(l, b->gateway, b->epoch, b->counter) == b);
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
	uint32_t used = 0, listed = 0, queries = 0, unfinished = 0;

	for (uint32_t i = 0; i < l->book_count; i++)
		check_book(l, i);
	for (uint32_t i = 0; i < l->conf.in_flight_max; i++) {
		const struct branch_slot *b = &l->branches[i];

		if (!b->used)
			continue;
		check_branch(l, b);
		unfinished += b->decided != DECIDED_NOT ? 1 : 0;
		used++;
	}
	for (uint32_t i = 0; i < l->gateway_count; i++)
		listed += check_gateway(&l->gateways[i]);
	for (uint32_t i = 0; i < l->conf.queries_max; i++)
		queries += l->queries[i].kind != QUERY_FREE ? 1 : 0;
	CHECK(used == l->branch_count && listed == used);
	CHECK(unfinished == l->unfinished && queries == l->query_count);
	CHECK(l->books_by_name.count == l->book_count);
	CHECK(l->branches_by_id.count == used);
	CHECK(l->branches_by_branch.count == used);
}
