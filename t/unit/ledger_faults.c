/*
 * A disk that does not give a record back, and gateways that answer what they
 * were not asked: a bank says so, and changes nothing.
 */
#include "ledger_harness.h"

#define CLEARING ":clearing.BankB.CZK"

static const char *
prepare(struct harness *h, struct peer gateway, uint32_t id, uint32_t branch)
{
	return down(h, gateway,
	    "PREPARE id=%s branch=gw1.1.%u from=alice to=" CLEARING
	    " amount=10 currency=CZK peer=bob@BankB",
	    uuid(id), branch);
}

static const char *
commit(struct harness *h, struct peer gateway, uint32_t id, uint32_t branch)
{
	return down(h, gateway,
	    "COMMIT id=%s branch=gw1.1.%u seq=1 "
	    "check=0123456789abcdef0123456789abcdef",
	    uuid(id), branch);
}

static const char *
abort_branch(
    struct harness *h, struct peer gateway, uint32_t id, uint32_t branch)
{
	return down(
	    h, gateway, "ABORT id=%s branch=gw1.1.%u", uuid(id), branch);
}

/* 1 is committed, 2 aborted, 3 aborted by an operator, 4 prepared. */
static struct peer
begin(struct harness *h)
{
	struct ledger_conf conf = harness_conf();
	struct peer gateway;

	harness_init(h, &conf);
	harness_account(h, "alice", "CZK", 1000, 0);
	gateway = harness_gateway(h, 1, "gw1", 1);
	for (uint32_t n = 1; n <= 4; n++)
		is_text(outcome(h, prepare(h, gateway, n, n)), "PREPARED OK",
		    "a branch");
	is_text(outcome(h, commit(h, gateway, 1, 1)), "COMMITTED OK", "one");
	is_text(
	    outcome(h, abort_branch(h, gateway, 2, 2)), "ABORTED OK", "two");
	is_text(
	    outcome(h, teller(h, "DECIDE id=%s outcome=abort why=x", uuid(3))),
	    "DECIDED ABORTED OK", "three");
	return gateway;
}

static void
refused(
    struct harness *h, const char *reply, const char *code, const char *what)
{
	is_text(outcome(h, reply), code, what);
	h->unreadable = 0;
	ok(harness_same_after_replay(h), "and nothing is changed");
}

static void
test_unreadable(void)
{
	struct harness h;
	struct peer gateway = begin(&h);

	h.unreadable = 1;
	refused(&h, prepare(&h, gateway, 1, 1), "INTERNAL",
	    "PREPARE again: the record cannot be read");
	ok(strstr(h.log, "strife-journal verify") != NULL && h.crit == 1,
	    "an operator is told what to do");
	h.unreadable = 2;
	refused(&h, prepare(&h, gateway, 2, 2), "INTERNAL",
	    "PREPARE of an aborted branch: nor what was prepared");
	h.unreadable = 1;
	refused(
	    &h, commit(&h, gateway, 1, 1), "INTERNAL", "COMMIT of a known id");
	h.unreadable = 1;
	refused(&h, abort_branch(&h, gateway, 2, 2), "INTERNAL",
	    "ABORT of a known id");
	h.unreadable = 1;
	refused(&h, teller(&h, "POST_LATE id=%s why=x", uuid(3)), "INTERNAL",
	    "POST_LATE");
	h.unreadable = 2;
	refused(&h, teller(&h, "POST_LATE id=%s why=x", uuid(3)), "INTERNAL",
	    "POST_LATE: what was prepared cannot be read");
	h.unreadable = 1;
	refused(&h, teller(&h, "HISTORY name=alice"), "INTERNAL", "HISTORY");
	ok(strstr(h.log, "the history of account alice is broken") != NULL,
	    "which an operator is told");
	h.unreadable = 1;
	refused(&h,
	    teller(
		&h, "DEPOSIT id=%s name=alice amount=5 currency=CZK", uuid(1)),
	    "INTERNAL", "a deposit with a known id");
	is_text(outcome(&h, prepare(&h, gateway, 1, 1)), "ALREADY_EXISTS",
	    "it can be read again: as ever");
	harness_free(&h);
}

/* A reply from this gateway, which nobody waits for. */
static void
stray(struct harness *h, struct peer peer, enum verb verb, const char *text)
{
	uint32_t records = h->count;

	harness_clear(h);
	harness_line(h, peer, SIDE_UP, verb, text);
	ok(h->count == records && h->failed == 0, "%s: no record", text);
}

#define HELLO(proto, node, window) \
	"i0 OK proto=" proto " node=" node " server=test window=" window \
	" time=2026-01-01T00:00:00.000000Z epoch=1 heartbeat=5"
#define RESOLVED(tag) \
	tag " OK id=00000000-0000-4000-8000-000000000004 branch=gw1.1.4 " \
	    "outcome=abort"

static void
test_hello(void)
{
	struct peer stranger = {7, 1}, other = {8, 1};
	struct harness h;
	struct peer gateway = begin(&h);

	stray(&h, stranger, VERB_UP_HELLO,
	    "i0 ERR code=OVERLOADED retry=same-id text=no");
	ok(h.closed == 1, "HELLO is refused: the connection is closed");
	stray(&h, stranger, VERB_UP_HELLO, HELLO("2", "gw2", "9"));
	ok(h.closed == 1 && strstr(h.log, "another protocol version") != NULL,
	    "another protocol version: too");
	stray(&h, gateway, VERB_UP_HELLO, HELLO("1", "gw2", "9"));
	ok(h.closed == 0 && h.sent_count == 0, "HELLO answered twice: ignored");
	harness_clear(&h);
	harness_line(&h, other, SIDE_UP, VERB_UP_HELLO, HELLO("1", "gw2", "0"));
	ok(h.sent_count == 1 && strstr(h.sent[0].text, " REGISTER ") != NULL,
	    "no window at all counts as one of 1");
	harness_free(&h);
}

static void
test_replies(void)
{
	struct peer stranger = {7, 1};
	struct harness h;
	struct peer gateway = begin(&h);

	stray(&h, stranger, VERB_UP_REGISTER, "1 OK");
	stray(&h, gateway, VERB_UP_REGISTER, "1 OK");
	stray(&h, gateway, VERB_UP_REGISTER,
	    "1 ERR code=FENCED retry=never text=no");
	ok(h.closed == 0, "REGISTER answered twice: ignored");
	stray(&h, gateway, VERB_UP_RESOLVE, RESOLVED("x"));
	stray(&h, gateway, VERB_UP_RESOLVE, RESOLVED("1"));
	stray(&h, gateway, VERB_UP_RESOLVE, RESOLVED("9999999999999999"));
	stray(&h, stranger, VERB_UP_RESOLVE, RESOLVED("1"));
	ok(!ledger_awaits(h.l, gateway, "1") &&
		!ledger_awaits(h.l, stranger, "1") &&
		!ledger_awaits(h.l, gateway, "x"),
	    "no answer is awaited");
	stray(&h, gateway, VERB_UP_RESOLVE, "1 ROW");
	is_text(outcome(&h, commit(&h, gateway, 4, 4)), "COMMITTED OK",
	    "the branch is still prepared");
	harness_free(&h);
}

int
main(void)
{
	test_unreadable();
	test_hello();
	test_replies();
	return tap_done();
}
