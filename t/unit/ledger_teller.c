/*
 * The operator's verbs, opening accounts, and decisions over branches with what
 * a crash between their records leaves.
 */
#include "ledger_harness.h"

#define CHECK_HEX "0123456789abcdef0123456789abcdef"

static struct harness h;
static struct peer gw;

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
	is_i64(ledger_sum(h.l, CZK), 0, "the books add up to zero");
	harness_free(&h);
}

#define says(want, what, ...) \
	is_text(outcome(&h, teller(&h, __VA_ARGS__)), (want), (what))

static void
test_accounts(void)
{
	begin();
	says("OPEN OK", "open", "OPEN name=alice currency=CZK overdraft=50");
	says("OK", "open again", "OPEN name=alice currency=CZK");
	is_text(field(teller(&h, "OPEN name=alice currency=CZK overdraft=7"),
		    "overdraft"),
	    "50", "which tells the overdraft that it has");
	says("ALREADY_EXISTS", "with another currency",
	    "OPEN name=alice currency=EUR");
	says("SET OK", "freeze", "FREEZE name=alice");
	says("OK", "freeze again", "FREEZE name=alice");
	says("ACCOUNT_FROZEN", "a deposit to a frozen account",
	    "DEPOSIT id=%s name=alice amount=1 currency=CZK", uuid(1));
	says("SET OK", "thaw", "THAW name=alice");
	says("OK", "thaw again", "THAW name=alice");
	says("SET OK", "set", "SET name=alice overdraft=70");
	says("OK", "set the same", "SET name=alice overdraft=70");
	says("ENTRY OK", "withdraw into the overdraft",
	    "WITHDRAW id=%s name=alice amount=70 currency=CZK", uuid(2));
	says("INSUFFICIENT_FUNDS", "and no further",
	    "WITHDRAW id=%s name=alice amount=1 currency=CZK", uuid(3));
	says("FORBIDDEN", "close with a balance", "CLOSE name=alice");
	says("ENTRY OK", "deposit",
	    "DEPOSIT id=%s name=alice amount=70 currency=CZK", uuid(4));
	says("SET OK", "close", "CLOSE name=alice");
	says("OK", "close again", "CLOSE name=alice");
	says("ACCOUNT_CLOSED", "thaw a closed one", "THAW name=alice");
	says(
	    "ACCOUNT_CLOSED", "set a closed one", "SET name=alice overdraft=1");
	says("ACCOUNT_CLOSED", "open a closed one",
	    "OPEN name=alice currency=CZK");
	says("ACCOUNT_CLOSED", "deposit to a closed one",
	    "DEPOSIT id=%s name=alice amount=1 currency=CZK", uuid(5));
	says("NO_SUCH_ACCOUNT", "freeze nobody", "FREEZE name=bob");
	says("NO_SUCH_ACCOUNT", "set nobody", "SET name=bob overdraft=1");
	says("NO_SUCH_ACCOUNT", "balance of nobody", "BALANCE name=bob");
	says("NO_SUCH_ACCOUNT", "deposit to nobody",
	    "DEPOSIT id=%s name=bob amount=1 currency=CZK", uuid(6));
	says("BAD_REQUEST", "an overdraft beyond all bounds",
	    "OPEN name=bob currency=CZK overdraft=1000000000000000001");
	says("OK", "a system account's balance", "BALANCE name=:equity.CZK");
	end("accounts");
}

static void
test_entries_count_once(void)
{
	const char *first, *again;

	begin();
	says("OPEN OK", "open", "OPEN name=alice currency=CZK");
	says("OPEN OK", "open", "OPEN name=bob currency=CZK");
	first = teller(&h,
	    "DEPOSIT id=%s name=alice amount=10 currency=CZK memo=a", uuid(1));
	is_text(field(first, "balance"), "10", "a deposit");
	first = field(first, "seq");
	teller(&h, "DEPOSIT id=%s name=alice amount=5 currency=CZK", uuid(2));
	again = teller(&h,
	    "DEPOSIT id=%s name=alice amount=10 currency=CZK memo=a", uuid(1));
	is_text(outcome(&h, again), "OK", "repeated: the same entry");
	is_text(field(again, "balance"), "10", "with its balance");
	is_text(field(again, "seq"), first, "and its seq");
	is_i64(posted(&h, "alice"), 15, "it counts once");
	says("ID_REUSED", "another amount",
	    "DEPOSIT id=%s name=alice amount=11 currency=CZK memo=a", uuid(1));
	says("ID_REUSED", "another memo",
	    "DEPOSIT id=%s name=alice amount=10 currency=CZK", uuid(1));
	says("ID_REUSED", "another account",
	    "DEPOSIT id=%s name=bob amount=10 currency=CZK memo=a", uuid(1));
	says("ID_REUSED", "another verb",
	    "WITHDRAW id=%s name=alice amount=10 currency=CZK memo=a", uuid(1));
	says("CURRENCY_MISMATCH", "another currency",
	    "DEPOSIT id=%s name=alice amount=10 currency=EUR", uuid(3));
	down(&h, gw,
	    "PREPARE id=%s branch=gw1.1.1 from=alice to=bob amount=1 "
	    "currency=CZK peer=bob@BankA",
	    uuid(4));
	says("ID_REUSED", "the id of a prepared payment",
	    "DEPOSIT id=%s name=alice amount=1 currency=CZK", uuid(4));
	down(&h, gw, "ABORT id=%s branch=gw1.1.1", uuid(4));
	says("ID_REUSED", "the id of an aborted payment",
	    "DEPOSIT id=%s name=alice amount=1 currency=CZK", uuid(4));
	harness_restart(&h);
	says("OK", "a restart remembers it",
	    "DEPOSIT id=%s name=alice amount=5 currency=CZK", uuid(2));
	is_i64(posted(&h, "alice"), 15, "it still counts once");
	end("entries");
}

/* ---- Opening accounts ---- */

static enum code
load(const char *name, int64_t balance, uint32_t currency, uint8_t id)
{
	struct ledger_opening o = {.name = str_from(name),
	    .currency = currency,
	    .balance = balance,
	    .overdraft = 5,
	    .id = {{id}}};
	struct actions *actions = malloc(sizeof(*actions));
	enum code code;

	CHECK(actions != NULL);
	actions->count = 0;
	h.appended[0] = '\0';
	code = ledger_load(h.l, &o, actions);
	harness_carry(&h, actions);
	free(actions);
	return code;
}

static void
test_load(void)
{
	struct actions *actions = malloc(sizeof(*actions));
	uint32_t full;

	CHECK(actions != NULL);
	begin();
	is_i64(load("alice", 100, CZK, 1), CODE_NONE, "an opening account");
	is_text(h.appended, "OPEN ENTRY", "is two records");
	is_i64(load("debtor", -30, CZK, 2), CODE_NONE, "one that owes");
	is_i64(posted(&h, "debtor"), -30, "is below zero");
	is_i64(posted(&h, ":equity.CZK"), -70, "equity mirrors them");
	is_i64(load("zero", 0, EUR, 3), CODE_NONE, "an empty one");
	is_text(h.appended, "OPEN", "has no entry");
	is_i64(load("alice", 100, CZK, 1), CODE_NONE, "loading again");
	is_text(h.appended, "", "finds it there");
	is_i64(load("zero", 0, EUR, 3), CODE_NONE, "the empty one too");
	is_text(h.appended, "", "finds it there");
	is_i64(load("alice", 101, CZK, 1), CODE_ID_REUSED, "another balance");
	is_i64(load("alice", 100, EUR, 1), CODE_ID_REUSED, "another currency");
	is_i64(load("big", MONEY_AMOUNT_MAX + 1, CZK, 4), CODE_LIMIT_EXCEEDED,
	    "more than one entry can carry");
	is_i64(load("a b", 1, CZK, 4), CODE_BAD_REQUEST, "not a name");
	/* A crash after OPEN, before ENTRY. */
	is_i64(load("half", 7, CZK, 5), CODE_NONE, "one more");
	full = h.count;
	harness_tear(&h);
	harness_restart(&h);
	is_i64(posted(&h, "half"), 0, "a crash left only its OPEN");
	ok(!ledger_loaded(h.l), "and loading is not done");
	is_i64(load("half", 7, CZK, 5), CODE_NONE, "loading it again");
	is_text(h.appended, "ENTRY", "adds the entry");
	is_i64(posted(&h, "half"), 7, "with its balance");
	ok(h.count > full, "as a new record");
	actions->count = 0;
	ledger_load_done(h.l, 4, actions);
	harness_carry(&h, actions);
	ok(ledger_loaded(h.l), "LOADED ends it");
	harness_flush(&h);
	harness_restart(&h);
	ok(ledger_loaded(h.l), "a restart remembers that");
	free(actions);
	end("load");
}

/* ---- Decisions ---- */

static const char *
prepare(uint32_t id, const char *from, const char *to, int amount)
{
	return outcome(&h,
	    down(&h, gw,
		"PREPARE id=%s branch=gw1.1.%u from=%s to=%s amount=%d "
		"currency=CZK peer=carol@BankB",
		uuid(id), id, from, to, amount));
}

#define TO_B ":clearing.BankB.CZK"

static void
test_decide(void)
{
	const char *reply;

	begin();
	harness_account(&h, "alice", "CZK", 100, 0);
	prepare(1, "alice", TO_B, 60);
	says("BAD_REQUEST", "an outcome that is none",
	    "DECIDE id=%s outcome=maybe why=x", uuid(1));
	reply = teller(&h, "INDOUBT");
	is_text(outcome(&h, reply), "OK", "in doubt");
	is_text(field(h.sent[0].text, "id"), uuid(1), "is the branch");
	is_text(field(h.sent[0].text, "to"), TO_B, "with its accounts");
	says("DECIDED COMMITTED OK", "commit",
	    "DECIDE id=%s outcome=commit why=x", uuid(1));
	is_i64(h.sent[0].after_seq, h.count, "answered when durable");
	is_i64(posted(&h, "alice"), 40, "posted");
	prepare(2, "alice", TO_B, 40);
	says("DECIDED ABORTED OK", "abort", "DECIDE id=%s outcome=abort why=x",
	    uuid(2));
	is_i64(held(&h, "alice"), 0, "the hold is gone");
	teller(&h, "INDOUBT");
	is_i64(h.sent_count, 1, "nothing in doubt any more");
	end("decide");
}

/* What is left of a decision when the crash came between its two records. */
static void
test_half_decision(void)
{
	static const char *const outcomes[] = {"commit", "abort"};

	for (int i = 0; i < 2; i++) {
		begin();
		harness_account(&h, "alice", "CZK", 100, 0);
		prepare(1, "alice", TO_B, 60);
		prepare(2, "alice", TO_B, 10);
		teller(
		    &h, "DECIDE id=%s outcome=%s why=x", uuid(1), outcomes[i]);
		harness_tear(&h);
		harness_restart(&h);
		is_i64(ledger_prepared(h.l), 1, "a start ends the branch");
		is_i64(posted(&h, "alice"), i == 0 ? 40 : 100,
		    "as the operator decided");
		gw = harness_gateway(&h, 1, "gw1", 1);
		is_text(
		    outcome(&h,
			down(&h, gw, "ABORT id=%s branch=gw1.1.1", uuid(1))),
		    i == 0 ? "HEURISTIC:committed" : "OK",
		    "and it is remembered as his decision");
		end("half a decision");
	}
}

static const char *
late(uint32_t id)
{
	return teller(&h, "POST_LATE id=%s why=paid%%20out", uuid(id));
}

static void
abort_by_operator(uint32_t id)
{
	const char *reply =
	    teller(&h, "DECIDE id=%s outcome=abort why=x", uuid(id));

	CHECK(strncmp(reply, "OK", 2) == 0);
}

static void
test_post_late(void)
{
	const char *reply;

	begin();
	harness_account(&h, "alice", "CZK", 100, 0);
	harness_account(&h, "bob", "CZK", 0, 0);
	says("NOT_FOUND", "an id never seen", "POST_LATE id=%s why=x", uuid(9));
	prepare(1, "alice", TO_B, 60);
	abort_by_operator(1);
	is_text(field(late(1), "name"), "alice", "posted to the account");
	is_i64(posted(&h, "alice"), 40, "where the money is there");
	reply = late(1);
	is_text(outcome(&h, reply), "OK", "again: nothing more");
	is_text(field(reply, "name"), "alice", "and the same answer");
	prepare(2, "alice", TO_B, 40);
	abort_by_operator(2);
	teller(
	    &h, "WITHDRAW id=%s name=alice amount=40 currency=CZK", uuid(20));
	is_text(field(late(2), "name"), ":suspense.CZK",
	    "posted to suspense where the money is gone");
	is_i64(posted(&h, ":suspense.CZK"), -40, "which owes it");
	is_i64(posted(&h, TO_B), 100, "the other bank got it");
	is_text(field(late(2), "name"), ":suspense.CZK", "again: the same");
	prepare(3, TO_B, "bob", 5);
	abort_by_operator(3);
	teller(&h, "CLOSE name=bob");
	is_text(field(late(3), "name"), ":suspense.CZK",
	    "a closed payee: suspense keeps it");
	is_i64(posted(&h, ":suspense.CZK"), -35, "for the operator to pay");
	harness_account(&h, "eve", "CZK", 10, 0);
	harness_account(&h, "mallory", "CZK", 0, 0);
	prepare(4, "eve", "mallory", 10);
	abort_by_operator(4);
	teller(&h, "WITHDRAW id=%s name=eve amount=10 currency=CZK", uuid(40));
	teller(&h, "CLOSE name=mallory");
	is_text(outcome(&h, late(4)), "ACCOUNT_CLOSED",
	    "both ends gone: nothing to post");
	harness_restart(&h);
	gw = harness_gateway(&h, 1, "gw1", 1);
	is_text(outcome(&h,
		    down(&h, gw,
			"COMMIT id=%s branch=gw1.1.2 seq=5 check=" CHECK_HEX,
			uuid(2))),
	    "GATEWAY OK", "COMMIT of one posted late is acknowledged");
	is_text(outcome(&h,
		    down(&h, gw,
			"COMMIT id=%s branch=gw1.1.4 seq=5 check=" CHECK_HEX,
			uuid(4))),
	    "HEURISTIC:aborted", "of one that is not: HEURISTIC");
	end("post late");
}

/* The longest texts an operator can send still fit in a record. */
static void
test_longest(void)
{
	char why[1025 * 3 + 1] = "", node[65];

	for (int i = 0; i < 512; i++)
		strcat(why, "%C4%8D");
	memset(node, 'n', 64);
	node[64] = '\0';
	begin();
	harness_account(&h, "alice", "CZK", 100, 0);
	gw = harness_gateway(&h, 2, node, 9223372036854775807);
	is_text(outcome(&h,
		    down(&h, gw,
			"PREPARE id=%s branch=%s.9223372036854775807."
			"9223372036854775807 from=alice to=" TO_B
			" amount=1 currency=CZK peer=carol@BankB",
			uuid(1), node)),
	    "PREPARED OK", "the longest branch");
	says("DECIDED COMMITTED OK", "the longest reason",
	    "DECIDE id=%s outcome=commit why=%s", uuid(1), why);
	end("longest");
}

static void
test_lists(void)
{
	const char *reply;
	uint32_t rows = 0, pages = 0;
	char next[64] = "", name[16];

	begin();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "a%02d", i);
		harness_account(&h, name, "CZK", i, 0);
	}
	do {
		reply = teller(&h, "ACCOUNTS limit=8%s%s",
		    next[0] != '\0' ? " before=" : "", next);
		rows += h.sent_count - 1;
		strcpy(next, field(reply, "next"));
		pages++;
	} while (next[0] != '\0');
	is_i64(rows, 21, "every account and the system's");
	is_i64(pages, 3, "in pages");
	says("BAD_REQUEST", "a bad cursor", "ACCOUNTS before=x");
	says("BAD_REQUEST", "one beyond the end", "ACCOUNTS before=21");
	reply = teller(&h, "STATS");
	is_text(outcome(&h, reply), "OK", "stats");
	is_text(field(h.sent[0].text, "value"), "21", "count the accounts");
	end("lists");
}

int
main(void)
{
	test_accounts();
	test_entries_count_once();
	test_load();
	test_decide();
	test_half_decision();
	test_post_late();
	test_longest();
	test_lists();
	return tap_done();
}
