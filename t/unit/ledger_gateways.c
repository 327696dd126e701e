/*
 * Connections of gateways: registration, epochs and fencing, replaced
 * connections, RESOLVE and its pace, supersession across several gateways.
 */
#include "ledger_harness.h"

#define CHECK_HEX "0123456789abcdef0123456789abcdef"
#define OTHER_HEX "ffffffffffffffffffffffffffffffff"

static struct harness h;

static void
begin(void)
{
	struct ledger_conf conf = harness_conf();

	harness_init(&h, &conf);
}

static void
with_accounts(void)
{
	begin();
	harness_account(&h, "alice", "CZK", 100000, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
}

static void
end(const char *what)
{
	ok(harness_same_after_replay(&h), "%s: replay gives the same state",
	    what);
	harness_free(&h);
}

static const char *
prepare(struct peer peer, uint32_t id, const char *branch)
{
	return outcome(&h,
	    down(&h, peer,
		"PREPARE id=%s branch=%s from=alice to=bob amount=1 "
		"currency=CZK peer=bob@BankA",
		uuid(id), branch));
}

static uint32_t
count_sent(const char *word)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < h.sent_count; i++)
		count += strstr(h.sent[i].text, word) != NULL ? 1 : 0;
	return count;
}

static void
count_overruled(void *ctx, const char *row)
{
	uint32_t *count = ctx;

	*count += strstr(row, " state=overruled") != NULL ? 1 : 0;
}

static uint32_t
overruled(void)
{
	uint32_t count = 0;

	ledger_dump(h.l, count_overruled, &count);
	return count;
}

static void
registered(struct peer peer, const char *fields)
{
	char text[256];

	snprintf(text, sizeof(text), "%s OK%s",
	    harness_asked(&h, "REGISTER", NULL), fields);
	harness_line(&h, peer, SIDE_UP, VERB_UP_REGISTER, text);
}

static void
test_register(void)
{
	struct peer gw = {1, 1}, again = {1, 2};
	const char *line;

	begin();
	is_i64(ledger_boot(h.l), 1, "the first boot");
	harness_hello(&h, gw, "gw1", 3, 10);
	is_text(h.appended, "GATEWAY", "a new node is journalled");
	line = h.sent[0].text;
	ok(strstr(line, "REGISTER bank=BankA boot=1") != NULL,
	    "and REGISTER follows");
	is_i64(h.sent[0].after_seq, h.count, "once that is durable");
	is_text(field(line, "gateway_seq"), "", "nothing heard of it yet");
	registered(gw, "");
	is_i64(h.closed, 0, "registered");
	is_text(h.log, "registered with gateway gw1", "and logged");
	harness_down(&h, gw);
	harness_hello(&h, again, "gw1", 3, 10);
	is_text(h.appended, "", "the same epoch again is no news");
	harness_down(&h, again);
	harness_hello(&h, gw, "gw1", 4, 10);
	is_text(h.appended, "GATEWAY", "a new epoch is");
	harness_restart(&h);
	is_i64(ledger_boot(h.l), 2, "the second boot");
	end("register");
}

static void
test_heard(void)
{
	struct peer gw;

	with_accounts();
	gw = harness_gateway(&h, 1, "gw1", 3);
	prepare(gw, 1, "gw1.3.1");
	prepare(gw, 2, "gw1.3.2");
	down(&h, gw, "COMMIT id=%s branch=gw1.3.2 seq=20 check=" CHECK_HEX,
	    uuid(2));
	down(&h, gw, "COMMIT id=%s branch=gw1.3.1 seq=19 check=" OTHER_HEX,
	    uuid(1));
	harness_down(&h, gw);
	harness_hello(&h, gw, "gw1", 3, 10);
	is_text(field(h.sent[0].text, "gateway_seq"), "20",
	    "REGISTER tells the newest record heard of");
	is_text(
	    field(h.sent[0].text, "gateway_check"), CHECK_HEX, "and its check");
	harness_restart(&h);
	harness_hello(&h, gw, "gw1", 4, 10);
	is_text(field(h.sent[0].text, "gateway_seq"), "20",
	    "a restart remembers it");
	is_i64(atoi(field(h.sent[0].text, "seq")), h.count - 1,
	    "seq is what was durable");
	end("heard");
}

static void
test_fencing(void)
{
	struct peer gw = {1, 1}, old = {2, 1};

	begin();
	gw = harness_gateway(&h, 1, "gw1", 5);
	harness_hello(&h, old, "gw1", 4, 10);
	is_i64(h.crit, 1, "a lower epoch is told at crit");
	ok(strncmp(h.log, "FENCED:", 7) == 0, "as FENCED");
	ok(h.closed == 1 && peer_eq(h.closed_peer, old),
	    "and its connection closed");
	is_i64(count_sent("REGISTER"), 0, "without a REGISTER");
	is_i64(h.failed, 0, "the bank goes on");
	harness_hello(&h, old, "gw1", 4, 10);
	ok(h.closed == 1 && h.crit == 0, "again: closed without the noise");
	is_text(outcome(&h, down(&h, gw, "BALANCE account=x")),
	    "NO_SUCH_ACCOUNT", "the one in use stays");
	harness_hello(&h, old, "gw1", 6, 10);
	is_i64(count_sent("REGISTER"), 1, "a higher epoch is let in");
	ok(h.closed == 1 && peer_eq(h.closed_peer, gw),
	    "and replaces the older connection");
	harness_restart(&h);
	harness_hello(&h, old, "gw1", 5, 10);
	is_i64(h.crit, 1, "a restart remembers the epoch");
	end("fencing");
}

static void
test_proof(void)
{
	struct peer gw = {1, 1};
	char text[128], hex[33];

	begin();
	harness_hello(&h, gw, "gw1", 1, 10);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", h.records[0].check.octets[i]);
	snprintf(text, sizeof(text), " proven_seq=1 proven_check=%s", hex);
	registered(gw, text);
	ok(h.failed == 0 && h.closed == 0, "a record that we have is proof");
	harness_down(&h, gw);
	harness_hello(&h, gw, "gw1", 1, 10);
	registered(gw, " proven_seq=1 proven_check=" OTHER_HEX);
	is_i64(h.failed, 1, "one that we have otherwise ends the process");
	ok(strncmp(h.fail, "FENCED:", 7) == 0, "with FENCED");
	is_i64(h.closed, 1, "and its connection");
	harness_hello(&h, gw, "gw1", 1, 10);
	registered(gw, " proven_seq=999 proven_check=" OTHER_HEX);
	is_i64(h.failed, 1, "so does one that we have not");
	end("proof");
}

static void
test_refused(void)
{
	struct peer gw = {1, 1};
	char text[128];

	begin();
	harness_hello(&h, gw, "gw1", 1, 10);
	snprintf(text, sizeof(text), "%s ERR code=FENCED retry=never text=no",
	    harness_asked(&h, "REGISTER", NULL));
	harness_line(&h, gw, SIDE_UP, VERB_UP_REGISTER, text);
	ok(h.crit == 1 && h.closed == 1, "FENCED by the gateway: crit, close");
	harness_hello(&h, gw, "gw1", 1, 10);
	is_i64(count_sent("REGISTER"), 1,
	    "it may be tried again, for an operator may REBIND");
	harness_clear(&h);
	harness_line(&h, gw, SIDE_UP, VERB_UP_HELLO,
	    "i1 ERR code=FORBIDDEN retry=never text=no");
	is_i64(h.closed, 1, "HELLO refused: closed");
	is_text(outcome(&h, down(&h, gw, "BALANCE account=x")), "CLOSE",
	    "a request before HELLO: closed");
	harness_hello(&h, gw, "gw1", 1, 10);
	is_text(outcome(&h, down(&h, gw, "BALANCE account=x")), "CLOSE",
	    "a request before REGISTER was answered: closed");
	end("refused");
}

static void
test_too_many(void)
{
	struct peer gw = {1, 1};
	char node[16];

	begin();
	for (int i = 0; i < 4; i++) {
		snprintf(node, sizeof(node), "gw%d", i);
		harness_gateway(&h, (uint32_t)i, node, 1);
	}
	harness_hello(&h, gw, "gw9", 1, 10);
	ok(h.closed == 1 && count_sent("REGISTER") == 0,
	    "one gateway more than configured is sent away");
	end("too many");
}

static void
test_pace(void)
{
	struct peer gw;
	char tag[TAG_MAX_LEN + 1], text[256];

	with_accounts();
	gw = harness_gateway(&h, 1, "gw1", 1);
	for (uint32_t i = 1; i <= 30; i++) {
		snprintf(text, sizeof(text), "gw1.1.%u", i);
		prepare(gw, i, text);
	}
	harness_down(&h, gw);
	harness_clear(&h);
	harness_turn(&h, 100 * SECOND);
	is_i64(count_sent("RESOLVE"), 0, "nobody is asked while it is away");
	ok(ledger_next_ns(h.l) == INT64_MAX, "and nothing is due");
	harness_hello(&h, gw, "gw1", 2, 7);
	is_i64(count_sent("RESOLVE"), 0, "nothing before REGISTER");
	registered(gw, "");
	is_i64(count_sent("RESOLVE"), 7, "then as many as the window allows");
	ok(ledger_next_ns(h.l) == INT64_MAX, "a full window waits for replies");
	strcpy(tag, harness_asked(&h, "RESOLVE", uuid(1)));
	snprintf(text, sizeof(text), "%s OK id=%s branch=gw1.1.1 outcome=abort",
	    tag, uuid(1));
	harness_clear(&h);
	harness_line(&h, gw, SIDE_UP, VERB_UP_RESOLVE, text);
	is_text(h.appended, "ABORTED", "an answer is carried out");
	is_i64(count_sent("RESOLVE"), 1, "and lets one more out");
	harness_clear(&h);
	harness_line(&h, gw, SIDE_UP, VERB_UP_RESOLVE, text);
	is_text(h.appended, "", "the same answer again changes nothing");
	harness_down(&h, gw);
	harness_gateway(&h, 1, "gw1", 3);
	is_i64(count_sent("RESOLVE"), 29,
	    "a new connection asks for all that is left");
	end("pace");
}

static void
test_interval(void)
{
	struct peer gw;
	char text[256], stale[256], tag[TAG_MAX_LEN + 1];
	int64_t due;

	with_accounts();
	gw = harness_gateway(&h, 1, "gw1", 1);
	prepare(gw, 1, "gw1.1.1");
	due = ledger_next_ns(h.l) - h.mono_ns;
	ok(due > SECOND && due < 3 * SECOND,
	    "a prepared branch is asked for after an interval");
	harness_clear(&h);
	harness_turn(&h, due - 1);
	is_i64(count_sent("RESOLVE"), 0, "not before");
	harness_turn(&h, 1);
	is_i64(count_sent("RESOLVE"), 1, "then once");
	snprintf(text, sizeof(text), "%s OK id=%s branch=gw1.1.1 outcome=wait",
	    harness_asked(&h, "RESOLVE", NULL), uuid(1));
	harness_turn(&h, 100 * SECOND);
	is_i64(count_sent("RESOLVE"), 1, "and not while it is unanswered");
	harness_clear(&h);
	harness_line(&h, gw, SIDE_UP, VERB_UP_RESOLVE, text);
	is_i64(count_sent("RESOLVE"), 0, "wait: not at once");
	ok(!ledger_more(h.l), "and nothing is left to do now");
	harness_turn(&h, 3 * SECOND);
	is_i64(count_sent("RESOLVE"), 1, "but after the interval");
	strcpy(tag, harness_asked(&h, "RESOLVE", NULL));
	strcpy(stale, text);
	memcpy(strstr(stale, "wait"), "abort", 6);
	harness_clear(&h);
	harness_line(&h, gw, SIDE_UP, VERB_UP_RESOLVE, stale);
	is_text(h.appended, "", "a late answer to the earlier one is ignored");
	snprintf(text, sizeof(text),
	    "%s ERR code=OVERLOADED retry=same-id text=no", tag);
	harness_clear(&h);
	harness_line(&h, gw, SIDE_UP, VERB_UP_RESOLVE, text);
	harness_turn(&h, 3 * SECOND);
	is_i64(count_sent("RESOLVE"), 1, "an error is asked again too");
	snprintf(text, sizeof(text),
	    "%s OK id=%s branch=gw1.1.1 outcome=commit seq=9 check=" CHECK_HEX,
	    harness_asked(&h, "RESOLVE", NULL), uuid(1));
	harness_clear(&h);
	harness_line(&h, gw, SIDE_UP, VERB_UP_RESOLVE, text);
	is_text(h.appended, "COMMITTED", "commit is carried out");
	is_i64(h.sent_count, 0, "and needs no acknowledgement");
	is_i64(posted(&h, "bob"), 1, "the money moved");
	end("interval");
}

static void
test_broken_resolve(void)
{
	static const char *const answers[] = {
	    "branch=gw1.1.2 outcome=abort",
	    "branch=gw1.1.1 outcome=maybe",
	    "branch=gw1.1.1 outcome=commit",
	};

	for (size_t i = 0; i < 3; i++) {
		struct peer gw;
		char text[256];

		with_accounts();
		gw = harness_gateway(&h, 1, "gw1", 1);
		prepare(gw, 1, "gw1.1.1");
		harness_turn(&h, 3 * SECOND);
		snprintf(text, sizeof(text), "%s OK id=%s %s",
		    harness_asked(&h, "RESOLVE", NULL), uuid(1), answers[i]);
		harness_clear(&h);
		harness_line(&h, gw, SIDE_UP, VERB_UP_RESOLVE, text);
		ok(h.closed == 1 && h.appended[0] == '\0',
		    "%s: closed, nothing changed", answers[i]);
		harness_gateway(&h, 1, "gw1", 1);
		is_i64(count_sent("RESOLVE"), 1, "asked again after");
		end("broken resolve");
	}
}

/* A PREPARE of gw1 after others tried the id: the chain is read back to it. */
static void
test_chain(void)
{
	struct peer gw1, gw2, gw3;

	with_accounts();
	gw1 = harness_gateway(&h, 1, "gw1", 1);
	gw2 = harness_gateway(&h, 2, "gw2", 1);
	gw3 = harness_gateway(&h, 3, "gw3", 1);
	prepare(gw1, 1, "gw1.1.5");
	down(&h, gw1, "ABORT id=%s branch=gw1.1.5", uuid(1));
	prepare(gw2, 1, "gw2.1.2");
	down(&h, gw2, "ABORT id=%s branch=gw2.1.2", uuid(1));
	prepare(gw3, 1, "gw3.1.2");
	down(&h, gw3, "ABORT id=%s branch=gw3.1.2", uuid(1));
	is_text(prepare(gw1, 1, "gw1.1.4"), "NOT_FOUND",
	    "older than one seen long before");
	is_text(prepare(gw1, 1, "gw1.1.5"), "NOT_FOUND", "as old as it");
	is_text(prepare(gw2, 1, "gw2.1.1"), "NOT_FOUND",
	    "older than another node's");
	is_text(prepare(gw1, 1, "gw1.1.6"), "PREPARED OK", "a newer one");
	end("chain");
}

/* Ids whose hashes are equal cannot be made; a thousand ids and a full index
 * at least probe far. */
static void
test_many_ids(void)
{
	struct peer gw;
	bool all = true;
	char branch[32];

	with_accounts();
	gw = harness_gateway(&h, 1, "gw1", 1);
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(branch, sizeof(branch), "gw1.1.%u", i + 1);
		all = all &&
		    strcmp(prepare(gw, i + 10, branch), "PREPARED OK") == 0;
		down(&h, gw, "ABORT id=%s branch=%s", uuid(i + 10), branch);
	}
	ok(all, "two thousand ids");
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(branch, sizeof(branch), "gw1.1.%u", i + 1);
		all = all &&
		    strcmp(prepare(gw, i + 10, branch), "NOT_FOUND") == 0;
	}
	ok(all, "each is remembered as aborted");
	end("many ids");
}

/* What operators commit takes no room from payments, and has a bound. */
static void
test_overruled(void)
{
	struct peer gw;
	char branch[32];

	with_accounts();
	gw = harness_gateway(&h, 1, "gw1", 3);
	for (uint32_t id = 1; id <= 300; id++) {
		snprintf(branch, sizeof(branch), "gw1.3.%u", id);
		CHECK(strcmp(prepare(gw, id, branch), "PREPARED OK") == 0);
		teller(&h, "DECIDE id=%s outcome=commit why=x", uuid(id));
	}
	is_i64(overruled(), 256, "the newest are to be settled");
	is_i64(ledger_prepared(h.l), 0, "none is in doubt");
	is_text(outcome(&h,
		    down(&h, gw,
			"COMMIT id=%s branch=gw1.3.1 seq=7 check=" CHECK_HEX,
			uuid(1))),
	    "GATEWAY OK", "the oldest are not settled, but as good");
	is_text(outcome(&h,
		    down(&h, gw,
			"COMMIT id=%s branch=gw1.3.300 seq=8 "
			"check=" CHECK_HEX,
			uuid(300))),
	    "SETTLED OK", "the newest is");
	harness_clear(&h);
	harness_turn(&h, 5 * SECOND);
	ok(count_sent("outcome=committed") > 0, "its gateway is told");
	is_i64(count_sent("RESOLVE"), count_sent("outcome=committed"),
	    "of nothing else");
	harness_restart(&h);
	is_i64(overruled(), 255, "a restart remembers them");
	end("overruled");
}

int
main(void)
{
	test_register();
	test_heard();
	test_fencing();
	test_proof();
	test_refused();
	test_too_many();
	test_pace();
	test_interval();
	test_broken_resolve();
	test_chain();
	test_many_ids();
	test_overruled();
	return tap_done();
}
