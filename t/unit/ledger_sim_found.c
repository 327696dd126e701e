/* Histories that the simulator found to go wrong, each told once more here. */
#include "ledger_harness.h"

/* A line that arrives in a turn which has not come to its flush. */
static void
line_in_turn(
    struct harness *h, struct peer peer, enum side side, const char *text)
{
	struct parsed *p = harness_parse(text, side, VERB_UNKNOWN);
	struct event ev = {.kind = EV_MSG, .peer = peer, .msg = &p->msg};

	ev.who = STR("uid=1000");
	harness_step(h, &ev);
	free(p);
}

static const struct sent *
last_sent(const struct harness *h)
{
	return &h->sent[h->sent_count - 1];
}

static void
prepare(struct harness *h, struct peer peer, uint32_t n, const char *branch)
{
	const char *reply = down(h, peer,
	    "PREPARE id=%s branch=%s from=ann to=ben amount=10 currency=CZK "
	    "peer=ben@BankA",
	    uuid(n), branch);

	CHECK(strncmp(reply, "OK", 2) == 0);
}

/* An operator decides what is prepared, in a turn that has not ended yet. */
static struct peer
decided_in_turn(struct harness *h, const char *outcome)
{
	struct ledger_conf conf = harness_conf();
	struct peer gw;
	char text[512];

	harness_init(h, &conf);
	harness_account(h, "ann", "CZK", 1000, 0);
	harness_account(h, "ben", "CZK", 0, 0);
	gw = harness_gateway(h, 1, "gw", 1);
	prepare(h, gw, 1, "gw.1.1");
	snprintf(text, sizeof(text), "t1 DECIDE id=%s outcome=%s why=late",
	    uuid(1), outcome);
	line_in_turn(h, TELLER, SIDE_TELLER, text);
	return gw;
}

/* The last answer is for after the turn's newest record, not durable yet. */
static bool
waits(const struct harness *h)
{
	return last_sent(h)->after_seq == h->count &&
	    last_sent(h)->durable_seq < h->count;
}

/*
 * An operator's abort and the gateway's COMMIT met in one turn. HEURISTIC left
 * before the abort was durable, a crash undid the abort, and the gateway had
 * written down for ever what never was.
 */
static void
heuristic_waits(void)
{
	struct harness h;
	struct peer gw = decided_in_turn(&h, "abort");
	char text[512];

	snprintf(text, sizeof(text),
	    "c1 COMMIT id=%s branch=gw.1.1 seq=9 check=%032d", uuid(1), 7);
	line_in_turn(&h, gw, SIDE_DOWN, text);
	ok(strstr(last_sent(&h)->text, "code=HEURISTIC") != NULL,
	    "COMMIT of what an operator aborted in the same turn: HEURISTIC");
	ok(waits(&h), "which waits until the abort is durable");
	harness_free(&h);
}

/*
 * A gateway was told that an id is committed when a crash could still undo the
 * operator's commit.
 */
static void
already_exists_waits(void)
{
	struct harness h;
	struct peer gw = decided_in_turn(&h, "commit");
	char text[512];

	snprintf(text, sizeof(text),
	    "p1 PREPARE id=%s branch=gw.1.2 from=ann to=ben amount=10 "
	    "currency=CZK peer=ben@BankA",
	    uuid(1));
	line_in_turn(&h, gw, SIDE_DOWN, text);
	ok(strstr(last_sent(&h)->text, "code=ALREADY_EXISTS") != NULL,
	    "PREPARE of what was committed in the same turn: ALREADY_EXISTS");
	ok(waits(&h), "which waits until the commit is durable");
	harness_free(&h);
}

int
main(void)
{
	heuristic_waits();
	already_exists_waits();
	return tap_done();
}
