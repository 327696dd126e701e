/* The rebuilt state as text, and every invariant as a CHECK. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "coord/private.h"

void
coord_dump(
    const struct coord *c, void (*row)(void *ctx, const char *text), void *ctx)
{
	struct msg_reader reader = {row, ctx};
	char text[64];

	snprintf(
	    text, sizeof(text), "remembered=%" PRIu64, id_index_count(c->ids));
	row(ctx, text);
	CHECK(coord_snapshot(c, msg_read_out, &reader));
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
	revocations_check(c);
}
