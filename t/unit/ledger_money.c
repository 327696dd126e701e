/*
 * Whether a bank says yes: the checks of PREPARE in their order, holds, limits
 * at the edge of all amounts, and that a yes binds.
 */
#include "ledger_harness.h"

#define CHECK_HEX "0123456789abcdef0123456789abcdef"
#define E15 INT64_C(1000000000000000)
#define E18 INT64_C(1000000000000000000)

static struct harness h;
static struct peer gw;
static uint32_t next_id = 1, next_branch = 1;

static void
begin(void)
{
	struct ledger_conf conf = harness_conf();

	harness_init(&h, &conf);
	gw = harness_gateway(&h, 1, "gw1", 1);
}

static void
end(const char *what)
{
	ok(harness_same_after_replay(&h), "%s: replay gives the same state",
	    what);
	harness_free(&h);
}

static const char *
prepare(const char *from, const char *to, int64_t amount, const char *currency)
{
	uint32_t n = next_id++;
	const char *reply = down(&h, gw,
	    "PREPARE id=%s branch=gw1.1.%u from=%s to=%s amount=%lld "
	    "currency=%s peer=carol@BankB",
	    uuid(n), next_branch++, from, to, (long long)amount, currency);

	return outcome(&h, reply);
}

/* The last prepared one. */
static const char *
end_branch(const char *verb)
{
	const char *reply = down(&h, gw, "%s id=%s branch=gw1.1.%u%s", verb,
	    uuid(next_id - 1), next_branch - 1,
	    strcmp(verb, "COMMIT") == 0 ? " seq=1 check=" CHECK_HEX : "");

	return outcome(&h, reply);
}

#define TO_B ":clearing.BankB.CZK"

static void
test_order(void)
{
	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
	harness_account(&h, "euro", "EUR", 0, 0);
	harness_account(&h, "cold", "CZK", 0, 0);
	harness_account(&h, "gone", "CZK", 0, 0);
	teller(&h, "FREEZE name=cold");
	teller(&h, "CLOSE name=gone");
	is_text(prepare("nobody", "bob", 1, "CZK"), "NO_SUCH_ACCOUNT",
	    "an unknown payer");
	is_text(prepare("alice", "nobody", 1, "CZK"), "NO_SUCH_ACCOUNT",
	    "an unknown payee");
	is_text(prepare("nobody", "gone", 1, "CZK"), "NO_SUCH_ACCOUNT",
	    "unknown comes before closed");
	is_text(prepare("gone", "bob", 1, "CZK"), "ACCOUNT_CLOSED",
	    "a closed payer");
	is_text(prepare("alice", "gone", 1, "CZK"), "ACCOUNT_CLOSED",
	    "a closed payee");
	is_text(prepare("cold", "gone", 1, "CZK"), "ACCOUNT_CLOSED",
	    "closed comes before frozen");
	is_text(prepare("cold", "bob", 1, "CZK"), "ACCOUNT_FROZEN",
	    "a frozen payer");
	is_text(prepare("alice", "cold", 1, "CZK"), "ACCOUNT_FROZEN",
	    "a frozen payee");
	is_text(prepare("cold", "euro", 1, "CZK"), "ACCOUNT_FROZEN",
	    "frozen comes before another currency");
	is_text(prepare("alice", "euro", 1, "CZK"), "CURRENCY_MISMATCH",
	    "a payee of another currency");
	is_text(prepare("euro", "alice", 1, "CZK"), "CURRENCY_MISMATCH",
	    "a payer of another currency");
	is_text(prepare("bob", "euro", 1, "CZK"), "CURRENCY_MISMATCH",
	    "another currency comes before missing funds");
	is_text(prepare("alice", "bob", 1, "EUR"), "CURRENCY_MISMATCH",
	    "a payment of another currency");
	is_text(prepare("alice", "bob", 1001, "CZK"), "INSUFFICIENT_FUNDS",
	    "one unit more than there is");
	is_text(prepare("alice", "alice", 1, "CZK"), "SAME_ACCOUNT",
	    "payer and payee the same");
	is_text(prepare("alice", "bob", 1000, "CZK"), "PREPARED OK",
	    "all that there is");
	end("order");
}

static void
test_system_names(void)
{
	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	is_text(prepare("alice", ":equity.CZK", 1, "CZK"), "BAD_REQUEST",
	    "equity is not a payee");
	is_text(prepare(":equity.CZK", "alice", 1, "CZK"), "BAD_REQUEST",
	    "equity is not a payer");
	is_text(prepare("alice", ":suspense.CZK", 1, "CZK"), "BAD_REQUEST",
	    "suspense is not a payee");
	is_text(prepare(TO_B, ":clearing.BankC.CZK", 1, "CZK"), "BAD_REQUEST",
	    "two clearing accounts");
	is_text(prepare("alice", ":clearing.BankB.EUR", 1, "CZK"),
	    "BAD_REQUEST", "a clearing account of another currency");
	is_text(prepare("alice", ":clearing.BankA.CZK", 1, "CZK"),
	    "BAD_REQUEST", "a clearing account of the bank itself");
	is_text(outcome(&h,
		    down(&h, gw,
			"PREPARE id=%s branch=gw1.1.900 from=alice "
			"to=:clearing.BankA.CZK amount=1 currency=CZK "
			"peer=carol@BankA",
			uuid(900))),
	    "BAD_REQUEST", "whatever the peer is");
	is_text(prepare("alice", ":clearing.BankC.CZK", 1, "CZK"),
	    "BAD_REQUEST",
	    "a clearing account of a bank that is not the "
	    "peer's");
	is_text(prepare("alice", TO_B, 1, "CZK"), "PREPARED OK",
	    "the clearing account of the peer's bank");
	is_text(prepare(TO_B, "alice", 1, "CZK"), "PREPARED OK",
	    "and the other way");
	end("system names");
}

static void
test_holds(void)
{
	const char *reply;

	begin();
	harness_account(&h, "alice", "CZK", 1000, 200);
	harness_account(&h, "bob", "CZK", 0, 0);
	is_text(prepare("alice", "bob", 700, "CZK"), "PREPARED OK", "a hold");
	is_i64(held(&h, "alice"), 700, "is held");
	is_i64(posted(&h, "alice"), 1000, "and not posted");
	reply = down(&h, gw, "BALANCE account=alice");
	is_text(field(reply, "available"), "500",
	    "available is posted - held + overdraft");
	is_text(prepare("alice", "bob", 501, "CZK"), "INSUFFICIENT_FUNDS",
	    "holds count");
	is_text(prepare("bob", "alice", 1, "CZK"), "INSUFFICIENT_FUNDS",
	    "what is only held for the payee is not his yet");
	is_text(prepare("alice", "bob", 500, "CZK"), "PREPARED OK",
	    "down to the overdraft");
	is_text(prepare("alice", "bob", 1, "CZK"), "INSUFFICIENT_FUNDS",
	    "and not below");
	next_id -= 1;
	next_branch -= 1;
	is_text(end_branch("ABORT"), "ABORTED OK", "an abort");
	is_i64(held(&h, "alice"), 700, "gives the hold back");
	is_text(prepare("alice", "bob", 500, "CZK"), "PREPARED OK", "again");
	teller(&h, "SET name=alice overdraft=0");
	teller(&h, "FREEZE name=alice");
	reply = teller(&h, "CLOSE name=bob");
	is_text(outcome(&h, reply), "IN_PROGRESS",
	    "an account that a branch names cannot be closed");
	is_text(end_branch("COMMIT"), "COMMITTED OK",
	    "a yes binds whatever happened to the account since");
	is_i64(posted(&h, "alice"), 500, "payer");
	is_i64(posted(&h, "bob"), 500, "payee");
	is_i64(ledger_sum(h.l, CZK), 0, "the books add up to zero");
	end("holds");
}

/* Opening accounts may hold up to 10^15; more comes by deposits. */
static void
fill(const char *name, int64_t amount)
{
	while (amount > 0) {
		int64_t part = amount > E15 ? E15 : amount;
		const char *reply =
		    teller(&h, "DEPOSIT id=%s name=%s amount=%lld currency=CZK",
			uuid(next_id++), name, (long long)part);

		CHECK(strncmp(reply, "OK", 2) == 0);
		amount -= part;
	}
}

static void
test_limits(void)
{
	const char *reply;

	begin();
	harness_account(&h, "rich", "CZK", 0, 0);
	harness_account(&h, "poor", "CZK", 5, 0);
	harness_account(&h, "owes", "CZK", 0, E18);
	fill("rich", E18 - 5 - 10);
	is_i64(posted(&h, "rich"), E18 - 15, "nearly 10^18 in one account");
	reply = teller(&h, "DEPOSIT id=%s name=poor amount=11 currency=CZK",
	    uuid(next_id++));
	is_text(outcome(&h, reply), "LIMIT_EXCEEDED",
	    "equity cannot go below -10^18");
	is_text(prepare(TO_B, "rich", 16, "CZK"), "LIMIT_EXCEEDED",
	    "a balance cannot exceed 10^18");
	is_text(prepare(TO_B, "rich", 10, "CZK"), "PREPARED OK",
	    "it may come near");
	is_text(prepare(TO_B, "rich", 6, "CZK"), "LIMIT_EXCEEDED",
	    "incoming holds count");
	is_text(prepare("poor", "rich", 5, "CZK"), "PREPARED OK",
	    "exactly 10^18, if all commit");
	is_text(end_branch("COMMIT"), "COMMITTED OK", "one does");
	reply = down(&h, gw, "BALANCE account=owes");
	is_text(field(reply, "available"), "1000000000000000000",
	    "an overdraft of 10^18 is available");
	reply = teller(&h, "SET name=rich overdraft=%lld", (long long)E18);
	reply = down(&h, gw, "BALANCE account=rich");
	is_text(field(reply, "available"), "1000000000000000000",
	    "what is shown stays a legal amount");
	reply = teller(&h, "SET name=rich overdraft=%lld", (long long)E18 + 1);
	is_text(outcome(&h, reply), "BAD_REQUEST",
	    "an overdraft beyond 10^18 is refused");
	is_text(prepare(TO_B, "owes", E15, "CZK"), "PREPARED OK",
	    "the largest payment");
	is_i64(ledger_sum(h.l, CZK), 0, "the books add up to zero");
	end("limits");
}

/* The clearing account's own bound: 10^18 to one other bank. */
static void
test_clearing_limit(void)
{
	bool all = true;

	begin();
	harness_account(&h, "owes", "CZK", 0, E18);
	harness_account(&h, "more", "CZK", 0, E18);
	for (int i = 0; i < 1000 && all; i++) {
		all = strcmp(prepare("owes", TO_B, E15, "CZK"),
			  "PREPARED OK") == 0;
		all = all && strcmp(end_branch("COMMIT"), "COMMITTED OK") == 0;
	}
	ok(all, "10^18 go to another bank");
	is_text(prepare("owes", TO_B, 1, "CZK"), "INSUFFICIENT_FUNDS",
	    "the payer has nothing left");
	is_text(prepare("more", TO_B, 1, "CZK"), "LIMIT_EXCEEDED",
	    "the clearing account is full");
	is_text(prepare(TO_B, "more", E15, "CZK"), "PREPARED OK",
	    "money may come back");
	is_text(prepare("more", TO_B, E15, "CZK"), "LIMIT_EXCEEDED",
	    "before that is committed there is no room");
	end("clearing limit");
}

/* The same, the other way: holds against the clearing account count. */
static void
test_clearing_floor(void)
{
	bool all = true;

	begin();
	harness_account(&h, "one", "CZK", 0, 0);
	harness_account(&h, "two", "CZK", 0, 0);
	for (int i = 0; i < 998 && all; i++) {
		all = strcmp(
			  prepare(TO_B, i % 2 == 0 ? "one" : "two", E15, "CZK"),
			  "PREPARED OK") == 0;
		all = all && strcmp(end_branch("COMMIT"), "COMMITTED OK") == 0;
	}
	ok(all, "much comes from another bank");
	is_text(prepare(TO_B, "one", E15, "CZK"), "PREPARED OK", "more");
	is_text(prepare(TO_B, "two", E15, "CZK"), "PREPARED OK", "10^18");
	is_text(prepare(TO_B, "one", 1, "CZK"), "LIMIT_EXCEEDED",
	    "and not one unit beyond, though none of it is committed");
	end("clearing floor");
}

/* Each field of a PREPARE counts when it is told from another. */
static void
test_payload(void)
{
	static const struct {
		const char *field, *fields;
	} cases[] = {
	    {"from",
		"from=eve to=bob amount=5 currency=CZK peer=x@BankA "
		"memo=m"},
	    {"to",
		"from=alice to=eve amount=5 currency=CZK peer=x@BankA "
		"memo=m"},
	    {"amount",
		"from=alice to=bob amount=6 currency=CZK peer=x@BankA "
		"memo=m"},
	    {"currency",
		"from=alice to=bob amount=5 currency=EUR "
		"peer=x@BankA memo=m"},
	    {"peer",
		"from=alice to=bob amount=5 currency=CZK peer=y@BankA "
		"memo=m"},
	    {"memo",
		"from=alice to=bob amount=5 currency=CZK peer=x@BankA "
		"memo=n"},
	    {"no memo",
		"from=alice to=bob amount=5 currency=CZK "
		"peer=x@BankA"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		harness_account(&h, "alice", "CZK", 100, 0);
		harness_account(&h, "bob", "CZK", 0, 0);
		harness_account(&h, "eve", "CZK", 100, 0);
		down(&h, gw,
		    "PREPARE id=%s branch=gw1.1.1 from=alice to=bob amount=5 "
		    "currency=CZK peer=x@BankA memo=m",
		    uuid(1));
		down(&h, gw, "PREPARE id=%s branch=gw1.1.1 %s", uuid(1),
		    cases[i].fields);
		ok(h.closed == 1 && h.crit == 1 && h.appended[0] == '\0',
		    "another %s in the same branch: crit, closed",
		    cases[i].field);
		gw = harness_gateway(&h, 1, "gw1", 2);
		down(&h, gw,
		    "COMMIT id=%s branch=gw1.1.1 seq=1 check=" CHECK_HEX,
		    uuid(1));
		is_text(outcome(&h,
			    down(&h, gw, "PREPARE id=%s branch=gw1.2.1 %s",
				uuid(1), cases[i].fields)),
		    "ID_REUSED", "in a newer branch of a committed id");
		end("payload");
	}
}

static void
test_full(void)
{
	struct ledger_conf conf = harness_conf();
	struct event full = {.kind = EV_ROOM};

	conf.accounts_max = 4;
	conf.in_flight_max = 2;
	conf.remembered_max = 4;
	harness_init(&h, &conf);
	gw = harness_gateway(&h, 1, "gw1", 1);
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
	is_text(prepare("alice", TO_B, 1, "CZK"), "PREPARED OK",
	    "the last account");
	is_text(outcome(&h, teller(&h, "OPEN name=eve currency=CZK")),
	    "OVERLOADED", "no account more");
	is_text(outcome(&h,
		    down(&h, gw,
			"PREPARE id=%s branch=gw1.1.77 from=alice "
			"to=:clearing.BankC.CZK amount=1 currency=CZK "
			"peer=carol@BankC",
			uuid(77))),
	    "OVERLOADED", "nor one of the bank's own");
	is_text(prepare("alice", "bob", 1, "CZK"), "PREPARED OK",
	    "the last branch");
	is_text(
	    prepare("alice", "bob", 1, "CZK"), "OVERLOADED", "no branch more");
	next_id--;
	next_branch--;
	is_text(end_branch("COMMIT"), "COMMITTED OK", "one ends");
	full.room = false;
	harness_step(&h, &full);
	is_text(
	    prepare("alice", "bob", 1, "CZK"), "READ_ONLY", "the disk is full");
	is_text(outcome(&h, teller(&h, "SET name=bob overdraft=1")),
	    "READ_ONLY", "for the operator too");
	is_text(outcome(&h,
		    teller(&h, "DECIDE id=%s outcome=abort why=x",
			uuid(next_id - 3))),
	    "READ_ONLY", "for his decisions too");
	is_text(outcome(&h, down(&h, gw, "BALANCE account=bob")), "OK",
	    "reads go on");
	full.room = true;
	harness_step(&h, &full);
	is_text(prepare("alice", "bob", 1, "CZK"), "PREPARED OK",
	    "there is room again");
	is_text(end_branch("COMMIT"), "COMMITTED OK", "and one ends");
	is_text(prepare("alice", "bob", 1, "CZK"), "OVERLOADED",
	    "no id more can be remembered");
	is_text(outcome(&h,
		    teller(&h, "DEPOSIT id=%s name=bob amount=1 currency=CZK",
			uuid(78))),
	    "OVERLOADED", "nor a deposit's");
	end("full");
}

static void
test_votes_wait(void)
{
	const char *reply;
	struct sent *vote;

	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
	prepare("alice", "bob", 10, "CZK");
	vote = &h.sent[h.sent_count - 1];
	is_i64(vote->after_seq, h.count, "a vote waits for its PREPARED");
	ok(vote->durable_seq < vote->after_seq, "which was not durable yet");
	ok(!vote->patient, "a vote is urgent");
	is_text(field(vote->text, "vote"), "yes", "it says yes");
	is_i64(atoi(field(vote->text, "seq")), h.count,
	    "and carries the record's seq");
	reply = down(&h, gw,
	    "PREPARE id=%s branch=gw1.1.%u from=alice to=bob amount=10 "
	    "currency=CZK peer=carol@BankB",
	    uuid(next_id - 1), next_branch - 1);
	is_i64(atoi(field(reply, "seq")), h.count, "the same when repeated");
	is_i64(h.sent[0].after_seq, 0, "then it waits for nothing");
	end_branch("COMMIT");
	is_i64(h.sent[0].after_seq, h.count, "an acknowledgement waits too");
	ok(h.sent[0].patient, "but is in no hurry");
	is_i64(atoi(field(h.sent[0].text, "seq")), h.count,
	    "and carries its record");
	end_branch("COMMIT");
	is_i64(atoi(field(h.sent[0].text, "seq")), h.count,
	    "a repeated COMMIT is told the same record");
	prepare("alice", "bob", 10, "CZK");
	end_branch("ABORT");
	is_i64(h.sent[0].after_seq, 0, "an abort waits for nothing");
	end("votes");
}

/* Two PREPAREs and a BALANCE in one turn: nothing undurable is told. */
static void
test_balance_is_durable(void)
{
	struct event ev = {.kind = EV_MSG};
	struct parsed *p;

	begin();
	harness_account(&h, "alice", "CZK", 1000, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
	harness_clear(&h);
	p = harness_parse("x PREPARE id=00000000-0000-4000-8000-000000000099 "
			  "branch=gw1.1.99 from=alice to=bob amount=5 "
			  "currency=CZK peer=bob@BankA",
	    SIDE_DOWN, VERB_UNKNOWN);
	ev.peer = gw;
	ev.msg = &p->msg;
	harness_step(&h, &ev);
	free(p);
	p = harness_parse("y BALANCE account=alice", SIDE_DOWN, VERB_UNKNOWN);
	ev.kind = EV_MSG;
	ev.msg = &p->msg;
	harness_step(&h, &ev);
	free(p);
	is_i64(h.sent_count, 2, "two answers in one turn");
	is_text(field(h.sent[1].text, "held"), "5", "the hold shows");
	is_i64(h.sent[1].after_seq, h.count, "once it is durable");
	is_i64(
	    atoi(field(h.sent[1].text, "seq")), h.count, "as of that record");
	harness_flush(&h);
	end("balance");
}

int
main(void)
{
	test_order();
	test_system_names();
	test_holds();
	test_limits();
	test_clearing_limit();
	test_clearing_floor();
	test_payload();
	test_full();
	test_votes_wait();
	test_balance_is_durable();
	return tap_done();
}
