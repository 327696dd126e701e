/* The rebuilt state as text, and every invariant as a CHECK. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hex.h"
#include "coord/private.h"

static void
dump_bank(
    const struct bank *b, void (*row)(void *ctx, const char *text), void *ctx)
{
	char journal[ID_TEXT_LEN + 1], check[33] = "", text[256];

	id_text(&b->journal, journal);
	hex_write(check, b->proven_check.octets, 16);
	snprintf(text, sizeof(text),
	    "bank %s bound=%d journal=%s proven=%" PRIu64 ":%s", b->name,
	    b->bound, journal, b->proven_seq, check);
	row(ctx, text);
}

/*
 * The bound bank with the next name. A bank that was refused before it was ever
 * bound has a place that a replay does not know, so places are no order.
 */
static const struct bank *
bank_after(const struct coord *c, const char *name)
{
	const struct bank *next = NULL;

	for (uint32_t i = 0; i < c->bank_count; i++) {
		const struct bank *b = &c->banks[i];

		if (b->bound && strcmp(b->name, name) > 0 &&
		    (next == NULL || strcmp(b->name, next->name) < 0))
			next = b;
	}
	return next;
}

/* What a restart would leave of a payment: an undecided one is gone. */
static const char *
durable_state(const struct payment *p)
{
	switch (p->state) {
	case PAYMENT_FREE:
	case PAYMENT_STATES:
	case PAYMENT_ABORTING:
		return NULL;
	case PAYMENT_RECEIVED:
	case PAYMENT_PREPARING:
		return p->was_held ? "held" : NULL;
	case PAYMENT_COMMITTING:
	case PAYMENT_COMMITTED:
		return "committed";
	case PAYMENT_HOLDING:
	case PAYMENT_HELD:
		return "held";
	}
	return NULL;
}

static void
dump_payment(const struct payment *p, const char *state,
    void (*row)(void *ctx, const char *text), void *ctx)
{
	char id[ID_TEXT_LEN + 1], text[1024];
	int len;

	id_text(&p->id, id);
	len = snprintf(text, sizeof(text),
	    "payment %s %s %s %s %" PRId64 " user=%s seq=%" PRIu64
	    " reason=%s first=%" PRId64,
	    id, state, p->from, p->to, p->amount, p->user, p->decided.seq,
	    code_text(p->reason), p->first_us);
	for (uint32_t i = 0; strcmp(state, "committed") == 0 && i < p->legs;
	     i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
		    " %s:%" PRIu64 ".%" PRIu64, p->leg[i].bank->name,
		    p->leg[i].epoch, p->leg[i].counter);
	row(ctx, text);
}

static int
by_id(const void *a, const void *b)
{
	const struct payment *const *p = a, *const *q = b;

	return memcmp((*p)->id.octets, (*q)->id.octets, 16);
}

void
coord_dump(
    const struct coord *c, void (*row)(void *ctx, const char *text), void *ctx)
{
	const struct payment **all = calloc(c->pool_max, sizeof(const void *));
	const struct bank *bank;
	uint32_t count = 0;
	char text[128];

	CHECK(all != NULL);
	snprintf(text, sizeof(text), "epoch %" PRIu64 " remembered %" PRIu64,
	    c->epoch, id_index_count(c->ids));
	row(ctx, text);
	for (bank = bank_after(c, ""); bank != NULL;
	     bank = bank_after(c, bank->name))
		dump_bank(bank, row, ctx);
	for (uint32_t i = 0; i < c->pool_max; i++)
		if (durable_state(&c->pool[i]) != NULL)
			all[count++] = &c->pool[i];
	qsort(all, count, sizeof(const void *), by_id);
	for (uint32_t i = 0; i < count; i++)
		dump_payment(all[i], durable_state(all[i]), row, ctx);
	free(all);
}

static void
check_payment(const struct coord *c, const struct payment *p)
{
	CHECK(payment_find(c, &p->id) == p);
	CHECK(p->tombstone || (p->legs >= 1 && p->legs <= 2));
	CHECK(id_index_state(c->ids, p->entry) == REMEMBERED_LIVE ||
	    p->tombstone);
	for (uint32_t i = 0; i < p->legs; i++) {
		const struct leg *leg = &p->leg[i];

		CHECK(leg->payment == p && leg->bank != NULL);
		switch (leg->state) {
		case LEG_QUEUED:
		case LEG_ASKED:
		case LEG_YES:
		case LEG_NO:
			CHECK(p->state == PAYMENT_PREPARING);
			break;
		case LEG_COMMIT:
		case LEG_ACKED:
			CHECK(p->state == PAYMENT_COMMITTED);
			break;
		case LEG_IDLE:
			CHECK(p->state != PAYMENT_PREPARING);
			break;
		}
	}
}

static void
check_bank(const struct coord *c, const struct bank *b)
{
	const struct leg *leg;
	uint32_t taken = 0;

	for (uint32_t i = 0; b->state != BANK_DOWN && i < c->conf.window_max;
	     i++)
		taken += b->requests[i].verb != VERB_UNKNOWN ? 1 : 0;
	CHECK(b->state == BANK_DOWN || taken == b->unanswered);
	CHECK(b->unanswered <= b->window);
	TAILQ_FOREACH (leg, &b->prepares, entry)
		CHECK(leg->state == LEG_QUEUED && leg->bank == b);
	TAILQ_FOREACH (leg, &b->asked, entry)
		CHECK((leg->state == LEG_ASKED || leg->state == LEG_YES) &&
		    leg->bank == b);
	TAILQ_FOREACH (leg, &b->committing, entry)
		CHECK(leg->state == LEG_COMMIT &&
		    leg->incarnation == b->incarnation);
	TAILQ_FOREACH (leg, &b->commits, entry)
		CHECK(leg->state == LEG_COMMIT &&
		    leg->incarnation != b->incarnation);
	CHECK(b->state == BANK_UP || b->state == BANK_BREAKING ||
	    (TAILQ_EMPTY(&b->asked) && TAILQ_EMPTY(&b->prepares)));
}

void
coord_check(const struct coord *c)
{
	uint32_t live = 0, counted = 0, held = 0, unacknowledged = 0;

	for (uint32_t i = 0; i < c->pool_max; i++) {
		const struct payment *p = &c->pool[i];

		if (p->state == PAYMENT_FREE)
			continue;
		live++;
		counted += p->counted ? 1 : 0;
		held += p->state == PAYMENT_HELD || p->state == PAYMENT_HOLDING
		    ? 1
		    : 0;
		unacknowledged += p->state == PAYMENT_COMMITTED ? 1 : 0;
		check_payment(c, p);
	}
	CHECK(live == c->live.count);
	CHECK(counted == c->in_flight);
	CHECK(held == c->held);
	CHECK(unacknowledged == c->unacknowledged);
	for (uint32_t i = 0; i < c->bank_count; i++)
		check_bank(c, &c->banks[i]);
}
